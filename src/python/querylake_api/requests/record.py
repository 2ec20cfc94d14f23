"""What reporters are told of a finished request: the log, metrics, the ledger, traces, rollouts.

A record is made of parts. Each part is made once, by whoever learns what it says, and never changed
afterwards; `handling.record_of` puts them together. Nothing decides by a record: what others need
to know of a request while it is handled, they are told as arguments.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final, Literal, Protocol

from llm_provider.observer import Ending
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.identity import RequestIdentity

Outcome = Literal[
    "success",
    "client_error",
    "client_abort",
    "upstream_error",
    "truncated",
    "in_band_error",
    "server_error",
    "shutdown",
]

CLIENT_CLOSED: Final = 499
"""Status for the log when the client left before there was one, as nginx writes it."""


class Workload:
    """What was asked for, and by whom. Never holds a key or a prompt.

    Attributes:
        route: the template of the route; empty if none matched, so that it is safe as a label.
        key_id: empty of those whose key is not known.
        model: the id of the model; empty until it is known to exist.
        streamed: whether the response is a stream.
        request_bytes: the size of the request's body.
        metered: whether the ledger keeps it: it asks a model for work, with a key that is known.
    """

    __slots__ = ("key_id", "metered", "model", "request_bytes", "route", "streamed")

    def __init__(
        self,
        route: str = "",
        key_id: str | None = None,
        model: str = "",
        streamed: bool = False,
        request_bytes: int = 0,
        metered: bool = False,
    ) -> None:
        self.route: Final = route
        self.key_id: Final = key_id
        self.model: Final = model
        self.streamed: Final = streamed
        self.request_bytes: Final = request_bytes
        self.metered: Final = metered


class EngineAttempts:
    """Where a request went.

    Attributes:
        assigned_stack: `stable` or `candidate`: which of the two the request was given to.
        stack: where its answer came from, or was expected from.
        upstream: the engine that got it last.
        count: how many engines the request was sent to, one after the other.
        failed: attempts that an engine failed, and another attempt followed. An engine that had no
            room, or not what was asked for, has not failed.
        queued_seconds: how long it waited in its model's queue.
        sent_at: when the first engine got it, in `perf_counter` seconds; None if no engine got it,
            or nobody traces.
        entry_id: its id in the ledger, once an engine is about to get it.
    """

    __slots__ = (
        "assigned_stack",
        "count",
        "entry_id",
        "failed",
        "queued_seconds",
        "sent_at",
        "stack",
        "upstream",
    )

    def __init__(
        self,
        assigned_stack: str = "",
        stack: str = "",
        upstream: str = "",
        count: int = 0,
        queued_seconds: float = 0.0,
        sent_at: float | None = None,
        entry_id: str | None = None,
        failed: int = 0,
    ) -> None:
        self.assigned_stack: Final = assigned_stack
        self.stack: Final = stack
        self.upstream: Final = upstream
        self.count: Final = count
        self.queued_seconds: Final = queued_seconds
        self.sent_at: Final = sent_at
        self.entry_id: Final = entry_id
        self.failed: Final = failed


class ResponseContent:
    """What an engine's answer says of itself, as far as it came.

    Attributes:
        prompt_tokens: what the engine said it had read; None if it did not say.
        completion_tokens: what the engine said it had made; None if it did not say.
        chunks: events of a stream that carried content: at least that many tokens were made, which
            is all that is known of a stream that broke off before its usage.
        ending: how a stream's own events say that it ended; None for whole answers.
        finish_reason: the engine's word for why the answer ended; None if it did not say.
        empty: whether the answer held nothing that the model made; None where that was not seen.
        loops: whether its text ends in a loop; likewise. See `llm_provider.repetition`.
    """

    __slots__ = (
        "chunks",
        "completion_tokens",
        "empty",
        "ending",
        "finish_reason",
        "loops",
        "prompt_tokens",
    )

    def __init__(
        self,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        chunks: int = 0,
        ending: Ending | None = None,
        finish_reason: str | None = None,
        empty: bool | None = None,
        loops: bool | None = None,
    ) -> None:
        self.prompt_tokens: Final = prompt_tokens
        self.completion_tokens: Final = completion_tokens
        self.chunks: Final = chunks
        self.ending: Final = ending
        self.finish_reason: Final = finish_reason
        self.empty: Final = empty
        self.loops: Final = loops


class ResponseEnding:
    """How a response ended.

    Attributes:
        status: that the client was sent, or `CLIENT_CLOSED`.
        error_code: of the error that the client was told.
        detail: what happened behind us, for the log only.
    """

    __slots__ = ("detail", "error_code", "outcome", "status")

    def __init__(
        self,
        status: int,
        outcome: Outcome,
        error_code: str | None = None,
        detail: str | None = None,
    ) -> None:
        self.status: Final = status
        self.outcome: Final[Outcome] = outcome
        self.error_code: Final = error_code
        self.detail: Final = detail


class Progress:
    """When content of a stream left for the client. Written by whoever passes the stream on alone.

    The only thing that others look at while a request is under way: a rollout counts how long
    those have waited that have no token yet.

    Attributes:
        first_token_at: when the first content left, in `perf_counter` seconds.
        gaps: the pauses between pieces with content, once there is a second one. Tokens that come
            in one piece have no pause between them: the client did not wait for them.
    """

    __slots__ = ("first_token_at", "gaps")

    def __init__(self) -> None:
        self.first_token_at: float | None = None
        self.gaps: Gaps | None = None


class Timing:
    """How long it took, in seconds, to the microsecond.

    Args:
        finished_at: when the last byte had gone, or was about to, in `perf_counter` seconds.

    Attributes:
        duration: from the request's head to the response's last byte.
        first_token: from the request's head to the first content of a stream.
        gaps: see `Progress`.
        gap_p95: what 95 of 100 pauses did not exceed; see `gaps` for its error.
    """

    __slots__ = ("duration", "finished_at", "first_token", "gap_p95", "gaps")

    def __init__(self, started_at: float, finished_at: float, progress: Progress) -> None:
        first, gaps = progress.first_token_at, progress.gaps
        gap = None if gaps is None else gaps.quantile(0.95)
        self.finished_at: Final = finished_at
        self.duration: Final = _to_microseconds(finished_at - started_at)
        self.first_token: Final = None if first is None else _to_microseconds(first - started_at)
        self.gaps: Final = gaps
        self.gap_p95: Final = None if gap is None else _to_microseconds(gap)


class RequestRecord:
    """All that is known of a finished request."""

    __slots__ = ("content", "ending", "engines", "identity", "timing", "workload")

    def __init__(
        self,
        identity: RequestIdentity,
        workload: Workload,
        engines: EngineAttempts,
        content: ResponseContent,
        ending: ResponseEnding,
        timing: Timing,
    ) -> None:
        self.identity: Final = identity
        self.workload: Final = workload
        self.engines: Final = engines
        self.content: Final = content
        self.ending: Final = ending
        self.timing: Final = timing


def _to_microseconds(seconds: float) -> float:
    """Return a time to the microsecond: `round` is exact in the last bit, and costs for that."""
    return int(seconds * 1e6 + 0.5) / 1e6


class Journal(Protocol):
    """Wants to know of requests before engines get them, so that a crash cannot hide them."""

    def sent(self, identity: RequestIdentity, workload: Workload, engines: EngineAttempts) -> str:
        """Take note of a request, again for each engine that it is sent to. Never raises.

        Returns:
            Its id in the ledger, which is a new one if `engines` has none.
        """
        ...


class RecordSink(Protocol):
    """Wants to know of every finished request: logs, metrics, the ledger, rollouts."""

    def finished(self, record: RequestRecord) -> None:
        """Take note of a request. Called once for each, in the event loop: never blocks."""
        ...


def outcome_of_status(status: int) -> Outcome:
    """Return what a status of our own making says about a request."""
    if status < 400:
        return "success"
    return "client_error" if status < 500 else "server_error"
