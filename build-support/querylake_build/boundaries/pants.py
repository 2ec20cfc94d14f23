"""What Pants enforces: imports that no stack owns, and who may depend on whom."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

from querylake_build.boundaries.policy import BoundaryError, Violation

SETTINGS_RULE = "pants-settings"
RULE = "pants"

_SECONDS = 600
_UNOWNED = re.compile(r"imports in the target (?P<target>\S+):\n+(?P<imports>(?:  \* .+\n)+)")
_DENIED = re.compile(r"^\s+(?P<origin>\S+ \S+) -> (?P<target>\S+ \S+)$", re.M)


def check_settings(repository: Path) -> tuple[list[Violation], str]:
    """Check that Pants is told to enforce; also return one clause on what was looked at."""
    settings = tomllib.loads((repository / "pants.toml").read_text(encoding="utf-8"))
    wanted = {
        "[python-infer].unowned_dependency_behavior must be 'error'": (
            settings.get("python-infer", {}).get("unowned_dependency_behavior") == "error"
        ),
        "[GLOBAL].backend_packages must have the visibility backend": (
            "pants.backend.experimental.visibility" in settings["GLOBAL"]["backend_packages"]
        ),
        "[python].enable_resolves must be true": (
            settings.get("python", {}).get("enable_resolves") is True
        ),
    }
    violations = [
        Violation(SETTINGS_RULE, "pants.toml", says) for says, holds in wanted.items() if not holds
    ]
    return violations, f"{len(wanted)} settings"


def check_pants(repository: Path, *, daemon: bool = True) -> tuple[list[Violation], str]:
    """Let Pants find every dependency; also return one clause on what was looked at.

    Args:
        daemon: use Pants' daemon; not for a copy of the repository that will soon be gone.

    Raises:
        BoundaryError: Pants fails for another reason.
    """
    done = subprocess.run(
        [
            str(repository / "pants"),
            *(() if daemon else ("--no-pantsd",)),
            "--no-colors",
            "--no-dynamic-ui",
            "dependencies",
            "::",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode == 0:
        return [], f"{len(done.stdout.splitlines())} dependencies"
    return _violations(done.stderr), "stopped at the first fault"


def _violations(said: str) -> list[Violation]:
    """Return what Pants complains of.

    Raises:
        BoundaryError: it complains of something else, and so has not looked at dependencies.
    """
    found = [
        Violation(RULE, match["target"], f"imports what its stack does not have: {name.strip()}")
        for match in _UNOWNED.finditer(said)
        for name in re.findall(r"\* (.+)", match["imports"])
    ]
    found += [
        Violation(RULE, match["origin"], f"must not depend on {match['target']}")
        for match in _DENIED.finditer(said)
    ]
    if not found:
        raise BoundaryError(f"`./pants dependencies ::` failed:\n{said.strip()[-2000:]}")
    return found
