"""Which engine gets a request, and what happens when that engine fails.

Until the answer has begun, nothing has gone to the client, and a failed request may be sent again:
to another engine of the same stack, within the model's retry budget.
"""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from llm_provider.attempt_outcome import AttemptOutcome
from llm_provider.breaker import Ticket
from llm_provider.errors import ProviderError, UpstreamDisconnected
from llm_provider.provider import Relay
from llm_provider.retry_budget import RetryBudget
from querylake_api.inference.answer import Answer, begun
from querylake_api.inference.assignment import Assignment
from querylake_api.inference.bridge import Bridge
from querylake_api.inference.call import Call
from querylake_api.inference.catalog import Model, Target
from querylake_api.inference.errors import deadline_exceeded
from querylake_api.inference.gate import Gate
from querylake_api.inference.judgement import judge_answer, judge_error
from querylake_api.inference.pool import Pool
from querylake_api.inference.retries import failed_on, retry_after
from querylake_api.requests.record import EngineAttempts, Journal, Progress
from querylake_api.settings import RetrySettings, Role
from querylake_api.upstreams.breaker_hears import EngineVerdict, breaker_hears

_log = logging.getLogger(__name__)


class Dispatcher(Protocol):
    """Chooses targets and sends requests to them."""

    def dispatch(self, call: Call, progress: Progress) -> Dispatch:
        """Return the request, bound to its stack and ready to be sent.

        Args:
            progress: is kept by whoever passes the answer on.
        """
        ...


class BalancingDispatcher:
    """Balances each request over the stack that it is assigned to.

    Args:
        journal: records a request before an engine gets it; None if these are not recorded.
    """

    def __init__(
        self,
        models: Iterable[Model],
        assignment: Assignment,
        retry: RetrySettings,
        journal: Journal | None = None,
    ) -> None:
        self._assignment = assignment
        self._journal = journal
        self._max_attempts = retry.max_attempts
        self.pools: dict[tuple[str, Role], Pool] = {}
        for model in models:
            for targets in (model.stable, model.candidates):
                if targets:
                    gate = None if model.gate is None else Gate(model.id, model.gate)
                    pool = Pool(targets, gate, RetryBudget(retry.ratio, retry.reserve))
                    self.pools[model.id, targets[0].stack] = pool

    def dispatch(self, call: Call, progress: Progress) -> Dispatch:
        """Return the request, bound to its stack. It never leaves that stack."""
        model = call.model
        assigned = self._assignment.stack_for(model, call.key, call.identity.request_id)
        stack = assigned if model.candidates else "stable"
        pool = self.pools[model.id, stack]
        return Dispatch(call, assigned, stack, pool, self._max_attempts, self._journal)


class _Attempt:
    """One engine at work on the request.

    Attributes:
        outcome: what the attempt met, as far as it is known.
    """

    __slots__ = ("outcome", "relay", "target", "ticket")

    def __init__(self, target: Target, ticket: Ticket) -> None:
        self.target = target
        self.ticket = ticket
        self.relay: Relay | None = None
        self.outcome: AttemptOutcome | None = None

    async def close(self) -> None:
        """End the request to the engine, whatever state it is in, and tell its breaker."""
        engine = self.target.engine
        # Without an outcome, the client left, or the operator's time was at its end.
        verdict: EngineVerdict = "unknown" if self.outcome is None else breaker_hears(self.outcome)
        engine.outstanding -= 1
        if verdict == "well":
            engine.breaker.succeed(self.ticket)
            engine.note_answer()
        elif verdict == "failed":
            engine.breaker.fail(self.ticket, time.monotonic())
        else:
            engine.breaker.abandon(self.ticket, time.monotonic())
        if self.relay is not None:
            await self.relay.__aexit__(None, None, None)


class Dispatch:
    """One request on its way. Leaving the block in any way ends the request to the engine.

    Attributes:
        assigned_stack: which it was given to.
        stack: which it is sent to.
        met: what the last attempt met. None before it met anything, as long as its answer is a
            stream that has not ended, and when the client left or the operator's time ran out.
            Whoever passes a stream on sets it, for the engine's breaker.
    """

    __slots__ = (
        "_attempt",
        "_call",
        "_count",
        "_entered_at",
        "_entry_id",
        "_failed",
        "_journal",
        "_max_attempts",
        "_misplaced",
        "_pool",
        "_queued",
        "_sent_at",
        "_touched",
        "_tried",
        "_upstream",
        "assigned_stack",
        "met",
        "stack",
    )

    def __init__(
        self,
        call: Call,
        assigned: Role,
        stack: Role,
        pool: Pool,
        max_attempts: int,
        journal: Journal | None = None,
    ) -> None:
        self._call = call
        self.assigned_stack = assigned
        self._pool = pool
        self._max_attempts = max_attempts
        self._journal = journal
        self._queued = 0.0
        self._count = 0
        self._upstream = ""
        self._sent_at: float | None = None
        self._entry_id = call.identity.entry_id
        self._entered_at: float | None = None
        self._attempt: _Attempt | None = None
        self._tried: list[Target] = []
        self._failed = 0
        """How many attempts an engine failed before another one followed."""
        self._touched = 0
        """How many engines may have died on the request."""
        self._misplaced = 0
        """How many engines did not have what was asked for, which is not the request's fault."""
        self.stack = stack
        self.met: AttemptOutcome | None = None

    def engines(self) -> EngineAttempts:
        """Return where the request went so far."""
        return EngineAttempts(
            self.assigned_stack,
            self.stack,
            self._upstream,
            self._count,
            self._queued,
            self._sent_at,
            self._entry_id,
            self._failed,
        )

    @property
    def bridge(self) -> Bridge | None:
        """What the answer goes over; None if it is passed on as it is."""
        return self._call.bridge

    async def __aenter__(self) -> Answer:
        """Send the request and wait for as much of the answer as nothing can be sent on without.

        Raises:
            ProviderError: no answer began, and nothing is left to try.
            ApiError: the model has no room, or took too long.
        """
        deadline = self._call.model.deadline_seconds
        try:
            if deadline is None:
                return await self._answer()
            try:
                async with asyncio.timeout(deadline):
                    return await self._answer()
            except TimeoutError:
                raise deadline_exceeded(self._call.name, deadline) from None
        except BaseException:
            await self._end()
            raise

    async def __aexit__(self, *exc_info: object) -> None:
        attempt = self._attempt
        if attempt is not None and attempt.outcome is None:
            attempt.outcome = self.met
        await self._end()

    async def _end(self) -> None:
        attempt, self._attempt = self._attempt, None
        try:
            if attempt is not None:
                await attempt.close()
        finally:
            if self._entered_at is not None and self._pool.gate is not None:
                self._pool.gate.leave(time.monotonic() - self._entered_at)
                self._entered_at = None

    async def _answer(self) -> Answer:
        pool = self._pool
        if pool.gate is not None:
            await self._enter(pool.gate)
        pool.budget.deposit()
        target = pool.choose(self._call.endpoint.upstream_path, head=self._call.head)
        if target is None:
            error = pool.why_not()
            self._upstream = error.upstream
            raise error
        attempt = self._begin(target)
        while True:
            result = await self._try(attempt)
            following = await self._conclude(attempt, result)
            if following is not None:
                attempt = following
            elif isinstance(result, Answer):
                return result
            else:
                raise result

    async def _enter(self, gate: Gate) -> None:
        asked_at = time.monotonic()
        try:
            await gate.enter()
            self._entered_at = time.monotonic()
        finally:
            self._queued = time.monotonic() - asked_at

    def _begin(self, target: Target) -> _Attempt:
        """Take a place at an engine that has just been chosen, before anybody else can."""
        ticket = target.engine.breaker.enter(time.monotonic())
        assert ticket is not None, "an engine that was chosen admits requests"
        target.engine.outstanding += 1
        self._attempt = _Attempt(target, ticket)
        self.met = None
        call = self._call
        self._upstream = target.upstream
        self._count += 1
        if self._sent_at is None and call.identity.trace is not None:
            self._sent_at = time.perf_counter()
        if self._journal is not None:
            self._entry_id = self._journal.sent(call.identity, call.workload, self.engines())
        return self._attempt

    async def _try(self, attempt: _Attempt) -> Answer | ProviderError:
        call = self._call
        target = attempt.target
        target.engine.unanswered += 1
        try:
            attempt.relay = await target.engine.provider.relay(
                "POST",
                call.endpoint.upstream_path,
                body=call.body_for(target),
                request_id=call.identity.request_id,
                headers=_headers(call),
            )
            await attempt.relay.__aenter__()
            return await begun(attempt.relay, target, stream=call.stream)
        except ProviderError as error:
            return error
        finally:
            target.engine.unanswered -= 1

    async def _conclude(self, attempt: _Attempt, result: Answer | ProviderError) -> _Attempt | None:
        """Note what came of an attempt, and return the next one if there is to be one."""
        engine = attempt.target.engine
        call = self._call
        if isinstance(result, Answer):
            outcome = judge_answer(result, stream=call.stream, listed=call.endpoint.reranks)
        else:
            outcome = judge_error(result)
        if outcome.kind == "begun":
            if engine.breaker.probing(attempt.ticket):
                # The stream may run for minutes, and its beginning is proof enough.
                engine.breaker.succeed(attempt.ticket)
            engine.note_answer()
            self._note_fit(attempt.target, outcome)
            return None
        attempt.outcome = outcome
        self.met = outcome
        self._note_fit(attempt.target, outcome)
        if breaker_hears(outcome) == "failed":
            engine.note_failure(outcome.reason, connected=outcome.kind != "unreachable")
        if outcome.hold:
            engine.held_until = time.monotonic() + outcome.hold
        target = self._next(attempt.target, result, outcome)
        if target is None:
            return None
        if failed_on(outcome.kind):
            self._failed += 1
        following = self._begin(target)
        _log.warning(
            "request %s: %s; trying %s", call.identity.request_id, outcome.reason, target.upstream
        )
        await attempt.close()
        return following

    def _note_fit(self, target: Target, outcome: AttemptOutcome) -> None:
        """Note whether the engine has what it was asked for."""
        misfits = target.engine.misfits
        if outcome.kind == "unfit":
            if not self._call.endpoint.optional:
                place = (target.model, self._call.endpoint.upstream_path)
                misfits.add(place, outcome.reason, time.monotonic())
        elif misfits and outcome.kind in ("begun", "answered", "rejected"):
            misfits.clear((target.model, self._call.endpoint.upstream_path))

    def _next(
        self, target: Target, result: Answer | ProviderError, outcome: AttemptOutcome
    ) -> Target | None:
        """Return where to send the request next; None if the attempt was the last."""
        retry = retry_after(outcome.kind)
        self._tried.append(target)
        if retry == "elsewhere":
            self._misplaced += 1
        elif retry == "never" or self._count - self._misplaced >= self._max_attempts:
            return None
        elif retry == "touched":
            self._touched += 1
            if self._touched > 1:
                return None
        path = self._call.endpoint.upstream_path
        following = self._pool.choose(path, self._tried, self._call.head)
        if following is None and isinstance(result, UpstreamDisconnected):
            # It may have closed an idle connection in the moment when we took it.
            following = self._pool.choose(path, self._tried[:-1], self._call.head)
        if following is None or not (retry == "elsewhere" or self._pool.budget.withdraw()):
            return None
        return following


def _headers(call: Call) -> Mapping[str, str] | None:
    """Return the headers that an engine gets besides its own: of the trace, and the client's."""
    trace = call.identity.trace
    traced = None if trace is None else trace.headers()
    if call.forwarded is None:
        return traced
    return call.forwarded if traced is None else {**call.forwarded, **traced}
