"""Installing locks, which `build-support/lock --check` of the checkout does."""

from __future__ import annotations

import re
from pathlib import Path

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.pex_file import Ran, run_command
from upgrade_gates.serving.outcome import Outcome

TOOL = Path("build-support", "lock")
SECONDS = 7200.0
_GOOD = re.compile(r"^(\S+)\s+up to date, (.+)$", re.MULTILINE)


def check_installable(base: Path, names: list[str], *, heavy: bool) -> Outcome:
    """Let the tool of the checkout show that each lock installs and is consistent.

    Args:
        base: a folder in the checkout.
        heavy: really install also what takes gigabytes; else only plan it.
    """
    checkout = next((each for each in (base, *base.parents) if (each / TOOL).is_file()), None)
    if checkout is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            f"there is no {TOOL} here; make the workspace in a checkout, and run this there",
        )
    command = [str(checkout / TOOL), "--check", *(["--install"] if heavy else []), *names]
    return judge_lock_check(run_command(command, seconds=SECONDS, cwd=checkout), names)


def judge_lock_check(ran: Ran, names: list[str]) -> Outcome:
    """Judge what the tool said of each lock."""
    good = dict(_GOOD.findall(ran.stdout))
    missing = [name for name in names if name not in good]
    if missing or ran.code != 0:
        return Outcome(
            Verdict.FAIL,
            f"{', '.join(missing) or 'a lock'}: {ran.stderr.strip()[-300:] or ran.last_line}",
            ran.raw,
        )
    said = "; ".join(f"{name} {result}" for name, result in good.items())
    return Outcome(Verdict.PASS, said, ran.raw)
