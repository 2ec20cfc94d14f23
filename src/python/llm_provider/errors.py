"""What can go wrong between QueryLake and an engine, told apart by who has to act.

Every error carries the upstream's name. None of them carries the caller's key or prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

TimeoutPhase = Literal["connect", "first_byte", "idle", "total"]


class ProviderError(Exception):
    """Root of every failure of a call to an upstream engine.

    Attributes:
        upstream: the configured name of the upstream, never its address.
    """

    def __init__(self, upstream: str, message: str) -> None:
        super().__init__(message)
        self.upstream = upstream


class UpstreamUnavailable(ProviderError):
    """No connection could be made (refused, DNS, TLS): nothing was sent, so a retry is safe."""


class UpstreamTimeout(ProviderError):
    """A deadline passed; `phase` says which of the four."""

    def __init__(self, upstream: str, phase: TimeoutPhase, seconds: float) -> None:
        super().__init__(upstream, f"upstream {upstream!r}: {phase} timeout after {seconds:g} s")
        self.phase = phase
        self.seconds = seconds


class UpstreamRejected(ProviderError):
    """The engine answered 4xx: the caller's fault, passed through as it came.

    Attributes:
        status: the HTTP status of the answer.
        body: the raw body, which may or may not be an OpenAI-shaped error.
        headers: the answer's headers, with lower-case names (`retry-after` matters to callers).
    """

    def __init__(self, upstream: str, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        super().__init__(upstream, f"upstream {upstream!r} rejected the request with {status}")
        self.status = status
        self.body = body
        self.headers = headers


class UpstreamFailed(ProviderError):
    """The engine answered 5xx, or something that is not an answer at all.

    Attributes:
        status: the HTTP status of the answer; 0 if there was none.
        body: the raw body, as far as it was read.
        headers: the answer's headers, with lower-case names.
    """

    def __init__(
        self,
        upstream: str,
        status: int,
        body: bytes,
        message: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(upstream, message or f"upstream {upstream!r} failed with {status}")
        self.status = status
        self.body = body
        self.headers = headers or {}


class UpstreamDisconnected(ProviderError):
    """The connection was lost after the request had gone out and before an answer began.

    The engine may have died on this very request, so it must not be sent again without limit.
    """


class StreamInterrupted(ProviderError):
    """A stream ended before its end marker.

    Attributes:
        tokens_sent: how many chunks with content had already been passed on; where bytes are
            relayed unread, how many reads.
        reason: why, in one clause.
    """

    def __init__(self, upstream: str, tokens_sent: int, reason: str) -> None:
        super().__init__(
            upstream,
            f"upstream {upstream!r}: stream interrupted after {tokens_sent} chunks: {reason}",
        )
        self.tokens_sent = tokens_sent
        self.reason = reason


class EventTooLarge(ProviderError):
    """An event stream holds an event that does not end within `limit` bytes, lines or values."""

    def __init__(self, upstream: str, limit: int, of: str = "bytes") -> None:
        super().__init__(
            upstream,
            f"upstream {upstream!r}: an event of the stream is larger than {limit} {of}; "
            "this is not an answer of an inference engine",
        )
        self.limit = limit


class StreamEmpty(ProviderError):
    """A stream ended with its end marker and without one event before it."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream, f"upstream {upstream!r} sent a stream without an event")


class AnswerUnfit(ProviderError):
    """The engine answered 200, in a form that was not asked for: wrongly set up, and not ill."""

    def __init__(self, upstream: str, form: str) -> None:
        super().__init__(upstream, f"upstream {upstream!r} sent {form}")


class NotInRotation(ProviderError):
    """The engine gets no requests, because it is not well or about to end.

    Attributes:
        condition: how it is, in a word.
    """

    def __init__(self, upstream: str, condition: str, detail: str) -> None:
        super().__init__(upstream, f"upstream {upstream!r} is {condition}: {detail}")
        self.condition = condition


class BreakerOpen(ProviderError):
    """The circuit breaker refuses calls; `retry_after` seconds remain until the next probe."""

    def __init__(self, upstream: str, retry_after: float) -> None:
        super().__init__(upstream, f"upstream {upstream!r}: circuit open for {retry_after:.1f} s")
        self.retry_after = retry_after
