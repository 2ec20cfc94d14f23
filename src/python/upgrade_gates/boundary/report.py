"""The report of `build-support/boundaries --json`, as far as gate 4 looks at it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome

SOURCE_RULES = ("sources", "locks", "pants-settings", "pants")
PEX_RULES = ("pex-contents", "pex-boot")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Violation(_Model):
    """Something is where it must not be."""

    rule: str
    place: str
    says: str


class RuleFinding(_Model):
    """What one rule found."""

    rule: str
    looked_at: str
    violations: tuple[Violation, ...]


class Trial(_Model):
    """A violation that was planted to show that it is seen, and by which rules."""

    title: str
    wanted: tuple[str, ...]
    seen: tuple[Violation, ...]

    @property
    def passed(self) -> bool:
        """Whether exactly the rules that had to report it did."""
        return {violation.rule for violation in self.seen} == set(self.wanted)


class BoundaryReport(_Model):
    """The report."""

    findings: tuple[RuleFinding, ...]
    planted: tuple[Trial, ...]


def parse_report(text: str) -> BoundaryReport:
    """Read a report.

    Raises:
        ArtefactUnusable: it is none.
    """
    try:
        return BoundaryReport.model_validate_json(text)
    except ValidationError:
        raise ArtefactUnusable(
            "this is no report of boundaries; make one with: build-support/boundaries --json "
            "--planted --pex dist/querylake_api.pex > boundaries.json"
        ) from None


def read_report(file: Path) -> tuple[BoundaryReport, str]:
    """Return a report, and its text.

    Raises:
        ArtefactUnusable: it cannot be read, or is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactUnusable(f"the report {file} cannot be read: {error}") from None
    return parse_report(text), text


def judge_sources(report: BoundaryReport) -> Outcome:
    """Judge what was found in sources, locks and Pants' settings, and the trials."""
    found = [each for each in report.findings if each.rule in SOURCE_RULES]
    problems = _broken(found)
    problems += [
        f"planted and not seen as it must be: {t.title}" for t in report.planted if not t.passed
    ]
    if problems:
        return Outcome(Verdict.FAIL, "; ".join(problems))
    rules = {each.rule for each in found}
    missing = [rule for rule in ("sources", "locks") if rule not in rules]
    if missing or not report.planted:
        lacks = ", ".join(missing) or "planted violations"
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"the report lacks {lacks}; make it with: build-support/boundaries --json --planted",
        )
    pants = "" if "pants" in rules else " (Pants itself was not asked)"
    return Outcome(
        Verdict.PASS,
        f"{len(found)} rules hold, and all {len(report.planted)} trials ended as they must{pants}",
    )


def judge_pex(report: BoundaryReport) -> Outcome:
    """Judge what was found in the built API."""
    found = [each for each in report.findings if each.rule in PEX_RULES]
    problems = _broken(found)
    if problems:
        return Outcome(Verdict.FAIL, "; ".join(problems))
    if len(found) < len(PEX_RULES):
        return Outcome(
            Verdict.NOT_CHECKABLE,
            "the report has not looked into the built API; give it the PEX: "
            "build-support/boundaries --json --planted --pex dist/querylake_api.pex",
        )
    return Outcome(Verdict.PASS, "no engine in it: " + "; ".join(each.looked_at for each in found))


def _broken(found: list[RuleFinding]) -> list[str]:
    return [
        f"{violation.place}: {violation.says}" for each in found for violation in each.violations
    ]
