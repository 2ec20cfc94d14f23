"""What one check of an engine saw."""

from __future__ import annotations

from dataclasses import dataclass, field

from upgrade_gates.evidence.statement import Figure, Verdict


@dataclass(frozen=True)
class Outcome:
    """What one check of an engine saw; which line it is about is the caller's business.

    Attributes:
        reason: one sentence.
        output: what was sent and what came.
    """

    verdict: Verdict
    reason: str
    output: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def of(cls, problems: list[str], well: str, output: str) -> Outcome:
        """Return a failure with all problems, or a pass."""
        if problems:
            return cls(Verdict.FAIL, "; ".join(problems), output)
        return cls(Verdict.PASS, well, output)
