"""Who served the requests of a check: the engine's own counter, and the API's ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from upgrade_gates.candidate.admin import Admin
from upgrade_gates.candidate.counters import Counter, read_counter
from upgrade_gates.context import Serving
from upgrade_gates.errors import AdminRefused
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome

SETTLE_SECONDS = 10.0
"""An engine counts a request a moment after its last byte, and the ledger writes in batches."""
SETTLE_EVERY = 0.25


@dataclass(frozen=True)
class Witness:
    """What can say which engine served a check.

    Attributes:
        serving: the new engine.
        upstreams: its names in the API's configuration; empty if that is not known.
        admin: the API's admin routes, for the ledger.
        key_id: of the check's key.
        how: how that key is routed, for the reason.
        seconds: time limit for each request.
    """

    serving: Serving
    upstreams: frozenset[str]
    admin: Admin
    key_id: str
    how: str
    seconds: float

    async def observe(self, requests: int, check: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Run a check, and hold a pass back unless the new engine served its requests.

        Args:
            requests: how many the check sends that the engine counts.

        Raises:
            ContextUnusable: the variable with the engine's key is not set.
        """
        before = await read_counter(self.serving, seconds=self.seconds)
        outcome = await check()
        if outcome.verdict is not Verdict.PASS:
            return replace(outcome, reason=f"{outcome.reason} ({self.how})")
        if before.value is None:
            return replace(
                outcome,
                verdict=Verdict.INCONCLUSIVE,
                reason=f"it is answered, and which engine did cannot be known: {before.problem}",
            )
        after, grown = await self._settled(before, requests)
        said = f"{self.serving.url}: {before.name} rose from {before.value:g} to {after.value:g}"
        output = f"{outcome.output}\n[{said}; {self.how}]\n"
        figures = {**outcome.figures, "candidate_requests": int(grown)}
        if grown < requests:
            return Outcome(
                Verdict.FAIL,
                f"it is answered, but not by the new engine: {said}, for {requests} requests "
                f"({self.how})",
                output,
                figures,
            )
        if grown > requests and not await self._in_ledger(requests):
            return Outcome(
                Verdict.INCONCLUSIVE,
                f"{said}, for {requests} requests: others use it too, and the API's ledger does "
                "not say that these went to the candidate; ask again in a quieter moment",
                output,
                figures,
            )
        return Outcome(
            Verdict.PASS,
            f"{outcome.reason}; by the new engine, whose {before.name} rose by {grown:g} "
            f"({self.how})",
            output,
            figures,
        )

    async def _settled(self, before: Counter, requests: int) -> tuple[Counter, float]:
        grown, after = 0.0, before
        for _ in range(round(SETTLE_SECONDS / SETTLE_EVERY)):
            after = await read_counter(self.serving, seconds=self.seconds)
            grown = (after.value or 0.0) - (before.value or 0.0)
            if grown >= requests:
                break
            await asyncio.sleep(SETTLE_EVERY)
        return after, grown

    async def _in_ledger(self, requests: int) -> bool:
        """Return whether the API notes the check's own requests as the candidate's."""
        for _ in range(round(SETTLE_SECONDS / SETTLE_EVERY)):
            try:
                records = await self.admin.entries("/admin/usage/records", key=self.key_id)
            except AdminRefused:
                return False
            if len(records) >= requests:
                return all(map(self._is_the_new_engine_s, records))
            await asyncio.sleep(SETTLE_EVERY)
        return False

    def _is_the_new_engine_s(self, record: dict[str, Any]) -> bool:
        if self.upstreams:
            return record.get("upstream") in self.upstreams
        return record.get("stack") == "candidate"
