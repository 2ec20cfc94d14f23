"""What is known of one request while it is handled: the source of its log line and its metrics."""

# compiled: runs for each request.

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Literal, Protocol

from llm_provider.attempt_outcome import AttemptOutcome
from llm_provider.stream_observer import Ending
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.redaction import looks_like_key
from querylake_api.requests.trace_context import Trace

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

Dialect = Literal["openai", "responses", "anthropic"]
"""A client protocol, of which each words errors in its own way."""

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

RECORD = "querylake.record"
"""Where a request's record is found in its scope."""

CLIENT_CLOSED = 499
"""Status for the log when the client left before there was one, as nginx writes it."""


class RequestRecord:
    """Filled in by whoever learns something. Never holds a key or a prompt.

    Attributes:
        route: the template of the route; empty if none matched, so that it is safe as a label.
        model: the id of the model; empty until it is known to exist.
        dialect: how its caller expects errors.
        assigned_stack: `stable` or `candidate`: which of the two the request was given to.
        stack: where its answer came from, or was expected from.
        attempts: how many engines the request was sent to, one after the other.
        queued_seconds: how long it waited in its model's line.
        request_bytes: the size of the request's body.
        streamed: whether the answer was a stream.
        streaming: whether the head of a stream has gone out and its end has not.
        detail: what happened behind us, for the log only.
        first_token_at: when the first content left for the client, in `perf_counter` seconds.
        headers: what the answer tells the client besides, whatever the answer is.
        prompt_tokens: what the engine said it had read; None if it did not say.
        completion_tokens: what the engine said it had made; None if it did not say.
        content_chunks: events of a stream that carried content: at least that many tokens were
            made, which is all that is known of a stream that broke off before its usage.
        gaps: the pauses between pieces with content, once there is a second one. Tokens that come
            in one piece have no pause between them: the client did not wait for them.
        ending: how a stream's own events say that it ended; None for whole answers.
        met: what the last engine's attempt met; None before there was one. A client that left, and
            a time limit of the operator's, leave it as it was.
        finish_reason: the engine's word for why the answer ended; None if it did not say.
        empty: whether the answer held nothing that the model made; None where that was not seen.
        loops: whether its text ends in a loop; likewise. See `llm_provider.repetition`.
        began_at: Unix seconds. A clock may be set; what lasts is measured with `perf_counter`.
        finished_at: when the last byte had gone, in `perf_counter` seconds.
        duration: seconds from the request's head to the answer's last byte. Like the next two, it
            is known once the request has finished, to the microsecond.
        time_to_first_token: seconds from the request to the first content of a stream.
        gap_p95: seconds that 95 of 100 pauses did not exceed; see `gaps` for its error.
        metered: whether the ledger keeps it: it asks a model for work, with a key that is known.
        journal: is told before an engine gets the request.
        ledger_id: its id there, once it has one; from the beginning if other processes may get it.
        replayed: whether a Ray replica that had it has died, so that it was admitted before.
        trace: where it stands in a distributed trace; None if nobody traces.
    """

    def __init__(
        self,
        request_id: str,
        method: str,
        path: str,
        *,
        route: str = "",
        key_id: str | None = None,
        model: str = "",
        journal: Journal | None = None,
        ledger_id: str | None = None,
        replayed: bool = False,
        trace: Trace | None = None,
    ) -> None:
        self.request_id = request_id
        self.method = method
        self.path = path
        self.route = route
        self.started_at = time.perf_counter()
        self.status = 0
        self.outcome: Outcome | None = None
        self.error_code: str | None = None
        self.key_id = key_id
        self.model = model
        self.upstream = ""
        self.dialect: Dialect = "openai"
        self.assigned_stack = ""
        self.stack = ""
        self.attempts = 0
        self.queued_seconds = 0.0
        self.request_bytes = 0
        self.streamed = False
        self.streaming = False
        self.detail: str | None = None
        self.first_token_at: float | None = None
        self.headers: tuple[tuple[bytes, bytes], ...] = ()
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None
        self.content_chunks = 0
        self.gaps: Gaps | None = None
        self.ending: Ending | None = None
        self.met: AttemptOutcome | None = None
        self.finish_reason: str | None = None
        self.empty: bool | None = None
        self.loops: bool | None = None
        self.began_at = time.time()
        self.finished_at: float | None = None
        self.duration = 0.0
        self.time_to_first_token: float | None = None
        self.gap_p95: float | None = None
        self.metered = False
        self.journal = journal
        self.ledger_id = ledger_id
        self.replayed = replayed
        self.trace = trace

    def sent_to(self, upstream: str) -> None:
        """Note that an engine is about to get the request."""
        self.attempts += 1
        self.upstream = upstream
        if self.trace is not None and self.trace.sent_at is None:
            self.trace.sent_at = time.perf_counter()
        if self.journal is not None:
            self.journal.sent(self)

    def settle(self, status: int, outcome: Outcome, error_code: str | None = None) -> None:
        """Note how the request ended. The first one to say so is right."""
        if self.outcome is None:
            self.status = status
            self.outcome = outcome
            self.error_code = error_code

    def finish(self, at: float) -> None:
        """Note that the last byte has gone, at a moment in `perf_counter` seconds."""
        self.finished_at = at
        self.duration = _to_microseconds(at - self.started_at)
        if self.first_token_at is not None:
            self.time_to_first_token = _to_microseconds(self.first_token_at - self.started_at)
        if self.gaps is not None and (gap := self.gaps.quantile(0.95)) is not None:
            self.gap_p95 = _to_microseconds(gap)


def _to_microseconds(seconds: float) -> float:
    """Return a time to the microsecond: `round` is exact in the last bit, and costs for that."""
    return int(seconds * 1e6 + 0.5) / 1e6


class Journal(Protocol):
    """Wants to know of requests before engines get them, so that a crash cannot hide them."""

    def sent(self, record: RequestRecord) -> None:
        """Take note of a request, again for each engine that it is sent to. Never raises."""
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


def new_request_ids() -> Iterator[str]:
    """Yield ids of 96 random bits, for a fraction of a system call each.

    Not to be begun before a process forks: both would go on with the same ids.
    """
    while True:
        chance = os.urandom(12 * 256).hex()
        for start in range(0, len(chance), 24):
            yield f"req_{chance[start : start + 24]}"


def own_request_id(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the caller's own request id if there is one that is sane, and no key by mistake."""
    value = dict(headers).get(b"x-request-id")
    if value is None or not _SANE_ID.fullmatch(value):
        return None
    own = value.decode("ascii")
    return None if looks_like_key(own) else own
