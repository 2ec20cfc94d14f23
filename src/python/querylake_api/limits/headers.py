"""`x-ratelimit-*`, as OpenAI sends them and clients read them.

https://platform.openai.com/docs/guides/rate-limits
"""

from __future__ import annotations

import math

from querylake_api.limits.models import Limits
from querylake_api.limits.table import Row
from querylake_api.limits.window import SlidingWindow

RawHeaders = tuple[tuple[bytes, bytes], ...]


def rate_limit_headers(limits: Limits, row: Row, now: float) -> RawHeaders:
    """Return the headers for those of a key's limits that are counted by the minute."""
    headers: RawHeaders = ()
    if limits.requests_per_minute:
        headers += _three(b"requests", limits.requests_per_minute, row.requests, now)
    if limits.tokens_per_minute:
        headers += _three(b"tokens", limits.tokens_per_minute, row.tokens, now)
    return headers


def duration(seconds: float) -> bytes:
    """Return a time in OpenAI's form, in whole seconds: `0s`, `59s`, `1m1s`."""
    minutes, rest = divmod(math.ceil(seconds), 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest


def _three(what: bytes, limit: int, window: SlidingWindow, now: float) -> RawHeaders:
    remaining = max(0, limit - window.used(now))
    return (
        (b"x-ratelimit-limit-" + what, b"%d" % limit),
        (b"x-ratelimit-remaining-" + what, b"%d" % remaining),
        (b"x-ratelimit-reset-" + what, duration(window.seconds_until_empty(now))),
    )
