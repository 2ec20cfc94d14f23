"""One live rollout as its judge has it in memory, from look to look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querylake_api.rollouts.judging.evidence_document import of_document, to_document
from querylake_api.rollouts.judging.long_json import to_json
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.records.repository import Reported
from rollout_statistics.evidence import Evidence
from rollout_statistics.outcomes import Kind
from rollout_statistics.verdict import SignalVerdict, judge


class Trial:
    """What is known of one rollout.

    Attributes:
        elapsed: seconds since the rollout began, as far as somebody watched.
        rows: ids of the reports that are part of the evidence and not of what was kept of it.
        kept_at: `elapsed` when it was last kept.
    """

    def __init__(self, plan: RolloutPlan, kept: Mapping[str, Any] | None) -> None:
        self._plan = plan
        self.evidence: Evidence
        listed = plan.allow | plan.deny
        self.evidence, self.elapsed = of_document(plan.judging.policy(), listed, kept)
        self.rows: list[int] = []
        self.kept_at = self.elapsed

    def look(self, step: int, passed: float, reports: Sequence[Reported]) -> list[SignalVerdict]:
        """Take in what workers have reported, and judge.

        What belongs to an earlier step came too late and is dropped, in both arms.

        Args:
            step: that the rollout is at.
            passed: seconds since the last look.
        """
        self.elapsed += passed
        if self.evidence.step != step:
            self.evidence.begin_step(step)
        counts: dict[Kind, int] = {}
        for report in reports:
            self.rows.append(report.row)
            if report.step == step:
                for kind, count in report.counts.items():
                    counts[kind] = counts.get(kind, 0) + count
        if counts:
            self.evidence.fold(counts, self.elapsed)
        return judge(self.evidence, self._share(step), self.elapsed)

    def _share(self, step: int) -> float:
        now = self._plan.steps[step]
        return now.percent / 100 if self._plan.sticky and not now.shadow_percent else 0.0

    def document(self) -> str:
        """Return the evidence as JSON."""
        return to_json(to_document(self.evidence, self.elapsed))
