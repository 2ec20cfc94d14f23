"""What a key is told that has reached a limit, and what can be wrong with the shared table."""

from __future__ import annotations

import math
from pathlib import Path

from querylake_api.errors import ApiError, OperatorError

LONGEST_RETRY_AFTER = 60
"""Seconds. OpenAI's clients take a longer one for none and come back after a second."""


class LimitsTableUnusable(OperatorError):
    """The file in which workers count cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used: {reason}; free some space or stop every server of this "
            "folder and delete the file (what was used in the last minute is then forgotten)"
        )


def rate_limited(
    what: str, param: str, *, limit: int, used: int, requested: int, seconds: float
) -> ApiError:
    """So much was used in the last minute that this request would exceed the limit.

    Args:
        what: what is counted, in words.
        param: the name of the limit, as keys have it.
        seconds: until the request would be admitted, if nothing else is.
    """
    wait = min(max(1, math.ceil(seconds)), LONGEST_RETRY_AFTER)
    return _too_many(
        f"Rate limit reached for this API key on {what} per minute: limit {limit}, used {used}, "
        f"requested {requested}. Try again in {wait} s.",
        param,
        wait,
    )


def too_many_at_once(limit: int, running: int) -> ApiError:
    """As many of the key's requests are in progress as may be."""
    return _too_many(
        f"Rate limit reached for this API key on concurrent requests: limit {limit}, "
        f"in progress {running}. Try again when one of them has ended.",
        "concurrency",
        1,
    )


def table_full() -> ApiError:
    """More keys with limits are active in this minute than can be counted."""
    return ApiError(
        "QueryLake cannot count this key's requests right now, because too many other keys are "
        "active. Try again in a minute.",
        status=503,
        type="server_error",
        code="limits_table_full",
        headers={"retry-after": "60"},
    )


def _too_many(message: str, param: str, wait: int) -> ApiError:
    return ApiError(
        message,
        status=429,
        type="rate_limit_error",
        code="rate_limit_exceeded",
        param=param,
        headers={"retry-after": str(wait)},
    )
