"""Text that PostgreSQL can hold: every character but NUL.

https://www.postgresql.org/docs/current/datatype-character.html
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def without_nul(text: str) -> str:
    """Return a text as it is.

    Raises:
        ValueError: it cannot be stored or searched for.
    """
    if "\0" in text:
        raise ValueError("holds a NUL character (U+0000), which no text may; leave it out")
    return text


StorableText = Annotated[str, AfterValidator(without_nul)]
"""What schemas and routes take where a caller's text reaches the database."""
