"""The command `build-support/boundaries`."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from querylake_build.boundaries import floors, locks, pants, pex, sources
from querylake_build.boundaries.planted import PLANTS, Plant, copied, planted, smuggled
from querylake_build.boundaries.policy import BoundaryError, Policy, Violation, read_policy
from querylake_build.boundaries.report import Finding, Report, Trial

Check = Callable[[Path], tuple[list[Violation], str]]

PEX_PLANT = "torch inside the built API"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 if every boundary holds, 1 if not, 2 if nobody can tell."""
    options = _parser().parse_args(arguments)
    repository = Path(os.environ["REPO_ROOT"])
    report = Report(show=not options.json)
    try:
        policy = read_policy(repository / "build-support" / "boundaries.toml")
        checks = _checks(policy, with_pants=options.pants, daemon=True)
        for rule, check in checks.items():
            report.add(_find(rule, check, repository))
        if options.pex:
            for finding in _judge_pex(options.pex, policy):
                report.add(finding)
        if options.planted:
            _plant(repository, policy, options, report)
    except BoundaryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        content = dataclasses.asdict(report.content())
        print(json.dumps(content | _judged(repository, options.pex), indent=2))
    return 0 if report.holds else 1


def _checks(policy: Policy, *, with_pants: bool, daemon: bool) -> dict[str, Check]:
    checks: dict[str, Check] = {
        sources.RULE: lambda repository: sources.check_sources(repository, policy),
        floors.RULE: lambda repository: floors.check_floors(repository, policy),
        locks.RULE: lambda repository: locks.check_locks(repository, policy),
        pants.SETTINGS_RULE: pants.check_settings,
    }
    if with_pants:
        checks[pants.RULE] = lambda repository: pants.check_pants(repository, daemon=daemon)
    return checks


def _judged(repository: Path, file: Path | None) -> dict[str, object]:
    """Say when this was, and of what: who reads the report elsewhere compares it with theirs."""
    files = {
        lock.name: lock for lock in sorted((repository / "3rdparty" / "python").glob("*.lock"))
    }
    if file is not None and file.is_file():
        files["pex"] = file
    digests = {
        name: hashlib.sha256(content.read_bytes()).hexdigest() for name, content in files.items()
    }
    return {"made_at": datetime.datetime.now(datetime.UTC).isoformat(), "judged": digests}


def _find(rule: str, check: Check, repository: Path) -> Finding:
    violations, looked_at = check(repository)
    return Finding(rule, looked_at, tuple(violations))


def _judge_pex(file: Path, policy: Policy) -> tuple[Finding, Finding]:
    python = os.environ["QUERYLAKE_PYTHON311"]
    contents, looked_at = pex.check_contents(file, policy)
    imported, started = pex.check_boot(file, policy, python)
    return (
        Finding(pex.CONTENTS_RULE, looked_at, tuple(contents)),
        Finding(pex.BOOT_RULE, started, tuple(imported)),
    )


def _plant(repository: Path, policy: Policy, options: argparse.Namespace, report: Report) -> None:
    """Show in a throw-away copy that each kind of violation is seen, and that nothing else is."""
    checks = _checks(policy, with_pants=options.pants, daemon=False)
    with tempfile.TemporaryDirectory() as folder, copied(repository, Path(folder)) as copy:
        untouched = Plant("nothing (the control)", "pants.toml", "", ())
        for plant in (untouched, *PLANTS):
            with planted(copy, plant):
                report.add_trial(_try(plant, checks, copy))
        if options.pex:
            seen, _ = pex.check_contents(smuggled(options.pex, Path(folder)), policy)
            wanted = (pex.CONTENTS_RULE,)
            report.add_trial(Trial(PEX_PLANT, wanted, (), tuple(seen)))


def _try(plant: Plant, checks: dict[str, Check], copy: Path) -> Trial:
    # Pants takes some seconds: it is asked about what it has to see, and about the control.
    asked = {
        rule: check
        for rule, check in checks.items()
        if rule != pants.RULE or rule in plant.seen_by or not plant.seen_by
    }
    seen = [violation for check in asked.values() for violation in check(copy)[0]]
    return Trial(
        title=plant.title,
        wanted=tuple(rule for rule in plant.seen_by if rule in checks),
        skipped=tuple(rule for rule in plant.seen_by if rule not in checks),
        seen=tuple(seen),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build-support/boundaries",
        description="Show that no stack holds what it must not. The rules are in "
        "build-support/boundaries.toml, and in Pants' settings and BUILD files.",
    )
    parser.add_argument(
        "--pex",
        type=Path,
        metavar="FILE",
        help="also look into a built querylake_api.pex, and start it",
    )
    parser.add_argument(
        "--planted",
        action="store_true",
        help="also plant violations into a throw-away copy, which must be seen",
    )
    parser.add_argument(
        "--no-pants", dest="pants", action="store_false", help="leave out what Pants checks"
    )
    parser.add_argument("--json", action="store_true", help="write the report as JSON")
    return parser
