"""Limits as values."""

# compiled: runs for each request.

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

UNLIMITED: Final = 0
"""What says that there is no limit, where None says that the default holds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; None where nothing was said, 0 for no limit.

    Attributes:
        requests_per_minute: how many requests are admitted in any 60 seconds.
        tokens_per_minute: how many tokens, of prompts and answers together.
        concurrency: how many requests are in progress at once; a stream is until its last byte.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None

    def over(self, defaults: Limits) -> Limits:
        """Return these limits, with the defaults where nothing was said."""
        requests, tokens = self.requests_per_minute, self.tokens_per_minute
        concurrency = self.concurrency
        if requests is None and tokens is None and concurrency is None:
            return defaults
        if requests is not None and tokens is not None and concurrency is not None:
            return self
        return Limits(
            defaults.requests_per_minute if requests is None else requests,
            defaults.tokens_per_minute if tokens is None else tokens,
            defaults.concurrency if concurrency is None else concurrency,
        )

    @property
    def any(self) -> bool:
        """Whether there is anything to count."""
        return bool(self.requests_per_minute or self.tokens_per_minute or self.concurrency)


LIMIT_NAMES: Final = tuple(field.name for field in fields(Limits))
