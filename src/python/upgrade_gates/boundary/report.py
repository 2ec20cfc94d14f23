"""The report of `build-support/boundaries --json`, as far as gate 4 looks at it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.statement import CLOCKS_DIFFER, Verdict
from upgrade_gates.serving.outcome import Outcome

SOURCE_RULES = ("sources", "locks", "pants-settings", "pants")
NEEDED_RULES = ("sources", "locks")
"""Rules without which a report, and a trial of them, proves nothing."""

PEX_RULES = ("pex-contents", "pex-boot")

MAKE = "build-support/boundaries --json --planted --pex dist/querylake_api.pex"


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
    """The report.

    Attributes:
        made_at: when the tool ran; None in a report of an older tool.
        judged: SHA-256 of what it looked at: each lock by its file's name, and `pex`.
    """

    findings: tuple[RuleFinding, ...]
    planted: tuple[Trial, ...]
    made_at: AwareDatetime | None = None
    judged: Mapping[str, str] = {}


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


@dataclass(frozen=True)
class Judged:
    """What a report must be about to count.

    Attributes:
        api_lock, api_pex: SHA-256 of what `upgrade.toml` names; None for what is not here.
        now: with a time zone.
    """

    api_lock: str | None
    api_pex: str | None
    now: datetime.datetime

    def stranger(self, report: BoundaryReport, name: str, wanted: str | None) -> Outcome | None:
        """Return why a report is not about a file as it is here; None if it is.

        Args:
            name: of the file in the report.
            wanted: its digest here; None if it is not here.
        """
        found = report.judged.get(name)
        if report.made_at is None or found is None:
            return Outcome(
                Verdict.INCONCLUSIVE,
                f"the report does not say when it was made, or of which {name}; make it again: "
                f"{MAKE}",
            )
        if report.made_at > self.now + CLOCKS_DIFFER:
            return Outcome(
                Verdict.INCONCLUSIVE,
                f"the report is from the future ({report.made_at:%Y-%m-%d %H:%M} UTC); set the "
                "clocks right, and make it again",
            )
        if wanted is None:
            return Outcome(
                Verdict.NOT_CHECKABLE,
                f"upgrade.toml names no {name}, so what the report judged cannot be compared",
            )
        if found != wanted:
            return Outcome(
                Verdict.FAIL,
                f"the report of {report.made_at:%Y-%m-%d %H:%M} UTC is about another {name} "
                f"({found[:12]}) than the one here ({wanted[:12]}); make it again: {MAKE}",
            )
        return None


def judge_sources(report: BoundaryReport, judged: Judged) -> Outcome:
    """Judge what was found in sources, locks and Pants' settings, and the trials."""
    found = [each for each in report.findings if each.rule in SOURCE_RULES]
    problems = _broken(found)
    problems += [
        f"planted and not seen as it must be: {t.title}" for t in report.planted if not t.passed
    ]
    if problems:
        return Outcome(Verdict.FAIL, "; ".join(problems))
    rules = {each.rule for each in found}
    missing = [rule for rule in NEEDED_RULES if rule not in rules]
    seen = {rule for trial in report.planted for rule in trial.wanted}
    missing += [f"a planted violation of {rule}" for rule in NEEDED_RULES if rule not in seen]
    if missing:
        return Outcome(
            Verdict.INCONCLUSIVE, f"the report lacks {', '.join(missing)}; make it with: {MAKE}"
        )
    stranger = judged.stranger(report, "api.lock", judged.api_lock)
    if stranger is not None:
        return stranger
    pants = "" if "pants" in rules else " (Pants itself was not asked)"
    return Outcome(
        Verdict.PASS,
        f"{len(found)} rules hold, and all {len(report.planted)} trials ended as they must{pants}",
    )


def judge_pex(report: BoundaryReport, judged: Judged) -> Outcome:
    """Judge what was found in the built API."""
    found = [each for each in report.findings if each.rule in PEX_RULES]
    problems = _broken(found)
    if problems:
        return Outcome(Verdict.FAIL, "; ".join(problems))
    if len(found) < len(PEX_RULES):
        return Outcome(
            Verdict.NOT_CHECKABLE,
            f"the report has not looked into the built API; give it the PEX: {MAKE}",
        )
    stranger = judged.stranger(report, "pex", judged.api_pex)
    if stranger is not None:
        return stranger
    return Outcome(Verdict.PASS, "no engine in it: " + "; ".join(each.looked_at for each in found))


def _broken(found: list[RuleFinding]) -> list[str]:
    return [
        f"{violation.place}: {violation.says}" for each in found for violation in each.violations
    ]
