"""Who belongs to the canary. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from hashlib import sha256
from typing import Final

BUCKETS: Final = 10_000


def bucket(salt: str, unit: str) -> int:
    """Return the place of a key, or of a request, among `BUCKETS`.

    Whoever is below the share's limit is in the canary, so a larger share only ever adds. The salt
    is the rollout's own: nobody is first in every one.
    """
    digest = sha256(f"{salt}{unit}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def limit(percent: float) -> int:
    """Return the bucket that a share of the traffic ends before."""
    return round(percent * BUCKETS / 100)
