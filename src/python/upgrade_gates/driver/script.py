"""Writes the two scripts of a plan: its values, quoted for the shell, then what never changes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from upgrade_gates.context import Window
from upgrade_gates.driver.plan import DriverPlan
from upgrade_gates.host.snapshot import MACHINE_SALT

UPGRADE = "upgrade.sh"
ROLLBACK = "rollback.sh"


def upgrade_script(plan: DriverPlan, *, root: str = "") -> str:
    """Return the script that a person runs in the window.

    Args:
        root: put before paths of the machine; not empty in tests alone.
    """
    about = f"From {plan.driver_before or 'no driver'} to driver {plan.driver_after}."
    changes = [change.words for change in plan.changes]
    return _script(plan, UPGRADE, about, changes, root)


def rollback_script(plan: DriverPlan, *, root: str = "") -> str:
    """Return the script that undoes the other one, to the very versions of the record."""
    about = f"Back from driver {plan.driver_after} to {plan.driver_before or 'no driver'}."
    changes = [change.words for change in plan.reversed]
    return _script(plan, ROLLBACK, about, changes, root)


def _script(plan: DriverPlan, body: str, about: str, changes: list[str], root: str) -> str:
    values = (
        ("root", root),
        ("host", plan.host),
        ("machine_salt", MACHINE_SALT),
        ("machine", plan.machine),
        ("kernel", plan.kernel),
        ("owner", plan.owner),
        ("window_start", str(int(plan.window.start.timestamp()))),
        ("window_end", str(int(plan.window.end.timestamp()))),
        ("window_words", _span(plan.window)),
        ("driver_before", plan.driver_before or ""),
        ("driver_after", plan.driver_after),
        ("secure_boot", plan.secure_boot.name.lower()),
        ("modules", plan.modules),
        ("installer", plan.installer or ""),
    )
    lists = (
        ("selection", plan.selection),
        ("changes", changes),
        ("held_before", plan.held_before),
        ("auto_before", plan.auto_before),
        ("hold_after", plan.hold_after),
        ("services", plan.services),
        ("others", plan.others),
    )
    return "\n".join(
        [
            "#!/usr/bin/env bash",
            f"# {about} Plan {plan.plan_id} of {plan.made_at.isoformat(timespec='seconds')}.",
            f"# For {_comment(plan.host)} alone; it refuses to run anywhere else.",
            "# Do not edit it: make a new plan. It changes nothing without --yes; see --help.",
            "# Each script leaves some of the values to the other, and values may hold any sign:",
            "# shellcheck disable=SC2034,SC2016",
            "set -Eeuo pipefail",
            "unset LANGUAGE",
            "export LC_ALL=C DEBIAN_FRONTEND=noninteractive",
            'here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)',
            "",
            *(f"{name}={shlex.quote(value)}" for name, value in values),
            *(_array(name, items) for name, items in lists),
            "",
            _text("common.sh"),
            _text(body),
        ]
    )


def _array(name: str, items: Iterable[str]) -> str:
    inner = "".join(f"  {shlex.quote(item)}\n" for item in items)
    return f"{name}=(\n{inner})" if inner else f"{name}=()"


def _span(window: Window) -> str:
    start, end = (each.isoformat(timespec="seconds") for each in (window.start, window.end))
    return f"{start} to {end}"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _text(name: str) -> str:
    package = resources.files(__package__)
    return package.joinpath("scripts", name).read_text(encoding="utf-8")


def write_script(file: Path, text: str) -> None:
    """Write a script that its owner can run."""
    file.write_text(text, encoding="utf-8")
    file.chmod(0o755)
