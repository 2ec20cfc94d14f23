"""Admitting requests under the limits of their keys: all of a key's limits at once, or none."""

# compiled: runs for each request.

from __future__ import annotations

import time
from types import TracebackType
from typing import Final

from querylake_api.errors import ApiError
from querylake_api.keys.limits import Limits
from querylake_api.keys.models import ApiKey
from querylake_api.limits.errors import rate_limited, table_full, too_many_at_once
from querylake_api.limits.headers import RawHeaders, rate_limit_headers
from querylake_api.limits.lease import Lease, NoLease, TableLease
from querylake_api.limits.table import LimitsTable, Row
from querylake_api.requests.disconnect import ClientLeft
from querylake_api.requests.record import ResponseContent, ResponseEnding

_NO_LEASE: Final = NoLease()


class Admission:
    """A request that was admitted, as a block: at its end, the tokens are settled and the place
    among the key's concurrent requests is given back.

    Attributes:
        headers: tell the client how the key stands.
    """

    __slots__ = ("_content", "_ending", "_lease", "_prompt", "headers")

    def __init__(self, lease: Lease, headers: RawHeaders = (), prompt: int = 0) -> None:
        self._lease = lease
        self._prompt = prompt
        self._content: ResponseContent | None = None
        self._ending: ResponseEnding | None = None
        self.headers = headers

    def note(self, content: ResponseContent, ending: ResponseEnding | None) -> None:
        """Take what is known at the block's end.

        Args:
            ending: None if the response was not ended in the block.
        """
        self._content = content
        self._ending = ending

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            tokens = self._tokens(exc)
            if tokens is not None:
                self._lease.settle(tokens)
        finally:
            self._lease.release()

    def _tokens(self, exc: BaseException | None) -> int | None:
        """Return how many tokens the request took; None if nobody knows, so the estimate stands."""
        content, ending = self._content, self._ending
        chunks = 0
        streamed = False
        if content is not None:
            if content.prompt_tokens is not None or content.completion_tokens is not None:
                return (content.prompt_tokens or 0) + (content.completion_tokens or 0)
            chunks = content.chunks
            streamed = content.ending is not None
        if streamed or isinstance(exc, ClientLeft):
            # A client that leaves has used what the engine did for it meanwhile, and a stream that
            # broke off what had come of it. Each piece with content was a token at least.
            broken = exc is not None or ending is None or ending.outcome != "success"
            return self._prompt + chunks if broken else None
        failed = isinstance(exc, Exception) and ending is None
        return 0 if failed else None


class Limiter:
    """Asked once for each request, after its key is known and before an engine is chosen.

    Args:
        defaults: hold for keys that have none of their own.
    """

    def __init__(self, table: LimitsTable, defaults: Limits) -> None:
        self._table = table
        self._defaults = defaults

    def counts_tokens(self, key: ApiKey) -> bool:
        """Return whether an estimate of a request's tokens is wanted."""
        limit = key.limits.tokens_per_minute
        return bool(self._defaults.tokens_per_minute if limit is None else limit)

    def admit(
        self, key: ApiKey, tokens: int, prompt: int = 0, *, replayed: bool = False
    ) -> Admission:
        """Admit a request, or refuse it. A refused one uses nothing up.

        A replayed one has used up what it uses when it came first. Only its place among the key's
        concurrent requests went with the process that held it.

        Args:
            tokens: an estimate; see `limits.estimate`.
            prompt: the part of the estimate that is used up whatever comes back.
            replayed: whether it was admitted before.

        Raises:
            ApiError: 429, which names the limit and tells how the key stands; 503 if too many keys
                are active.
        """
        limits = key.limits.over(self._defaults)
        if not limits.any:
            return Admission(_NO_LEASE)
        table = self._table
        bucket = table.bucket_of(key.id)
        table.lock(bucket)
        try:
            now = time.monotonic()
            row = table.row_of(key.id, now)
            if row is None:
                raise table_full()
            # More than the limit is never available: the largest request has to wait until
            # nothing else was used in a minute, and is admitted then.
            tokens = min(tokens, limits.tokens_per_minute or 0)
            refusal = self._place_taken(row, limits)
            if refusal is None and not replayed:
                refusal = _minute_used_up(row, limits, tokens, now)
            if refusal is None:
                if limits.requests_per_minute and not replayed:
                    row.requests.add(1, now)
                if tokens and not replayed:
                    row.tokens.add(tokens, now)
                table.begin(row)
            headers = rate_limit_headers(limits, row, now)
        finally:
            table.unlock(bucket)
        if refusal is not None:
            for name, value in headers:
                refusal.headers[name.decode()] = value.decode()
            raise refusal
        reserved = tokens if limits.tokens_per_minute and not replayed else None
        return Admission(TableLease(table, bucket, row, reserved, now), headers, prompt)

    def _place_taken(self, row: Row, limits: Limits) -> ApiError | None:
        limit = limits.concurrency
        if not limit:
            return None
        running = self._table.in_progress(row)
        if running >= limit:
            self._table.clear_the_dead(row)
            running = self._table.in_progress(row)
        return too_many_at_once(limit, running) if running >= limit else None


def _minute_used_up(row: Row, limits: Limits, tokens: int, now: float) -> ApiError | None:
    limit = limits.requests_per_minute
    if limit:
        used = row.requests.used(now)
        if used + 1 > limit:
            return rate_limited(
                "requests",
                "requests_per_minute",
                limit=limit,
                used=used,
                requested=1,
                seconds=row.requests.seconds_until(limit - 1, now),
            )
    limit = limits.tokens_per_minute
    if limit:
        used = row.tokens.used(now)
        if used + tokens > limit:
            return rate_limited(
                "tokens",
                "tokens_per_minute",
                limit=limit,
                used=used,
                requested=tokens,
                seconds=row.tokens.seconds_until(limit - tokens, now),
            )
    return None
