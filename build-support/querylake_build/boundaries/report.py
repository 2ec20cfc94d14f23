"""What was found, as lines for a person while it is found, and as one object for a program."""

from __future__ import annotations

from dataclasses import dataclass

from querylake_build.boundaries.policy import Violation

_RULE_WIDTH = 15
_TITLE_WIDTH = 46


@dataclass(frozen=True)
class Finding:
    """What one rule found in this checkout, or in a PEX."""

    rule: str
    looked_at: str
    violations: tuple[Violation, ...]


@dataclass(frozen=True)
class Trial:
    """A planted violation, and what was seen of it.

    Attributes:
        wanted: the rules that had to report it.
        skipped: rules that would have had to, but were left out.
        seen: what was reported.
    """

    title: str
    wanted: tuple[str, ...]
    skipped: tuple[str, ...]
    seen: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether exactly the rules that had to report it did."""
        return {violation.rule for violation in self.seen} == set(self.wanted)


@dataclass(frozen=True)
class Content:
    """Everything that was found."""

    holds: bool
    findings: tuple[Finding, ...]
    planted: tuple[Trial, ...]


class Report:
    """Collects what is found.

    Args:
        show: print each finding as it comes.
    """

    def __init__(self, *, show: bool) -> None:
        self._show = show
        self._findings: list[Finding] = []
        self._trials: list[Trial] = []

    @property
    def holds(self) -> bool:
        """Whether every boundary holds, and every planted violation was seen."""
        return not any(finding.violations for finding in self._findings) and all(
            trial.passed for trial in self._trials
        )

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        self._findings.append(finding)
        verdict = "BROKEN" if finding.violations else "holds"
        self._say(f"{finding.rule:{_RULE_WIDTH}} {verdict:7} {finding.looked_at}")
        for violation in finding.violations:
            self._say(f"  {violation.place}: {violation.says}")

    def add_trial(self, trial: Trial) -> None:
        """Take the outcome of a planted violation."""
        if not self._trials:
            self._say("\nPlanted in a throw-away copy:")
        self._trials.append(trial)
        rules = ", ".join(sorted({violation.rule for violation in trial.seen})) or "nobody"
        wanted = ", ".join(trial.wanted) or "nobody"
        note = f" (not asked: {', '.join(trial.skipped)})" if trial.skipped else ""
        verdict = "ok" if trial.passed else f"WRONG, wanted {wanted}"
        self._say(f"  {trial.title:{_TITLE_WIDTH}} {verdict}, seen by {rules}{note}")
        for violation in trial.seen:
            self._say(f"    {violation.place}: {violation.says}")

    def content(self) -> Content:
        """Return everything that was found."""
        return Content(self.holds, tuple(self._findings), tuple(self._trials))

    def _say(self, line: str) -> None:
        if self._show:
            print(line, flush=True)
