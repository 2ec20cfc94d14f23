"""What became of the requests of live rollouts, counted in each worker and handed on each second.

A request counts only if it began after this worker took its step over. Otherwise the first moments
of a step would hold the candidate's fast failures and not yet its slow successes, while the stable
stack has both.
"""

from __future__ import annotations

from collections import Counter

from querylake_api.requests.record import Outcome, RequestRecord
from querylake_api.rollouts.records.outcomes import Batch, Kind
from querylake_api.rollouts.routing.assignment import RolloutAssignment
from querylake_api.settings import Role
from rollout_statistics.running_quantile import bucket_of

MAX_KINDS = 20_000
"""Distinct kinds of outcome kept until the next flush. Later ones go uncounted, in both arms."""

_FAILED: dict[Outcome | None, bool] = {
    "success": False,
    "upstream_error": True,
    "truncated": True,
    "in_band_error": True,
}
"""Everything else is the client's doing or ours, and says nothing of an engine; see `_failed`."""

_BANDS = (2_000, 16_000, 128_000)
"""Edges between sizes of requests, in bytes. Tokens would not do: only a success has them, and what
follows from the outcome must not decide whom it is compared with."""


class OutcomeRecorder:
    """A sink of finished requests.

    Attributes:
        totals: how many were counted since the start, by model, arm, and whether they failed.
    """

    def __init__(self, assignment: RolloutAssignment) -> None:
        self._assignment = assignment
        self._counts: dict[tuple[str, int], Counter[Kind]] = {}
        self.totals: Counter[tuple[str, Role, bool]] = Counter()

    def finished(self, record: RequestRecord) -> None:
        """Count a request, if it belongs to a live rollout and says something of its engine."""
        live = self._assignment.judged_since(record.model)
        if live is None:
            return
        split, since = live
        failed = _failed(record)
        if failed is None or record.started_at < since:
            return
        if record.stack != record.assigned_stack or not record.stack:
            return
        first = record.time_to_first_token
        gap = record.gap_p95
        kind = Kind(
            "candidate" if record.stack == "candidate" else "stable",
            stratum(record.route, record.streamed, record.request_bytes),
            (record.key_id or "") if split.sticky else "",
            failed,
            None if first is None else bucket_of(first),
            None if gap is None else bucket_of(gap),
        )
        self.totals[split.model, kind.arm, failed] += 1
        place = split.rollout_id, split.step
        counts = self._counts.get(place)
        if counts is None:
            counts = self._counts[place] = Counter()
        if kind in counts or len(counts) < MAX_KINDS:
            counts[kind] += 1

    def take(self) -> list[Batch]:
        """Return what was counted since the last call."""
        taken, self._counts = self._counts, {}
        return [Batch(rollout, step, counts) for (rollout, step), counts in taken.items()]


def _failed(record: RequestRecord) -> bool | None:
    """Return whether the engine failed a request; None if it says nothing of the engine.

    An engine that has no room answers 429. No client did anything wrong, and a new stack with less
    room than the old one is a worse one.
    """
    if record.status == 429 and record.error_code == "rejected_by_engine":
        return True
    return _FAILED.get(record.outcome)


def stratum(route: str, streamed: bool, request_bytes: int) -> str:
    """Return the name of the stratum that a request belongs to."""
    band = sum(request_bytes > edge for edge in _BANDS)
    return f"{route}{' stream' if streamed else ''} size {band}"
