"""`x-ratelimit-*`, as OpenAI sends them and clients read them.

https://platform.openai.com/docs/guides/rate-limits
"""

# compiled: runs for each request.

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from querylake_api.keys.limits import Limits
from querylake_api.limits.table import Row
from querylake_api.limits.window import SlidingWindow

RawHeaders = tuple[tuple[bytes, bytes], ...]

_REQUESTS: Final = (
    b"x-ratelimit-limit-requests",
    b"x-ratelimit-remaining-requests",
    b"x-ratelimit-reset-requests",
)
_TOKENS: Final = (
    b"x-ratelimit-limit-tokens",
    b"x-ratelimit-remaining-tokens",
    b"x-ratelimit-reset-tokens",
)


def rate_limit_headers(limits: Limits, row: Row, now: float) -> RawHeaders:
    """Return the headers for those of a key's limits that are counted by the minute."""
    headers: RawHeaders = ()
    if limits.requests_per_minute:
        headers = _three(_REQUESTS, limits.requests_per_minute, row.requests, now)
    if limits.tokens_per_minute:
        headers += _three(_TOKENS, limits.tokens_per_minute, row.tokens, now)
    return headers


@lru_cache
def duration(seconds: int) -> bytes:
    """Return a time in OpenAI's form: `0s`, `59s`, `1m1s`."""
    minutes, rest = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest


def _three(
    names: tuple[bytes, bytes, bytes], limit: int, window: SlidingWindow, now: float
) -> RawHeaders:
    used, seconds = window.standing(now)
    remaining = limit - used
    return (
        (names[0], b"%d" % limit),
        (names[1], b"%d" % remaining if remaining > 0 else b"0"),
        (names[2], duration(math.ceil(seconds))),
    )
