"""`Retry-After` as a number, whichever of its two forms it has.

https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3
"""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


def retry_after_seconds(value: str) -> float:
    """Return the seconds from now that a header asks for, at least 0; 1 for what is neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return 1.0
    return max(0.0, seconds) if seconds == seconds else 1.0
