"""What the built API holds, and what it has imported once it serves."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

from querylake_build.boundaries.policy import BoundaryError, Policy, Violation

CONTENTS_RULE = "pex-contents"
BOOT_RULE = "pex-boot"

_BOOT = Path(__file__).with_name("boot.py")
_BOOT_SECONDS = 180
_CONFIG = """\
[server]
port = 0
[database]
url = "embedded:postgres"
"""


def check_contents(pex: Path, policy: Policy) -> tuple[list[Violation], str]:
    """Check the distributions in a PEX and the modules that they bring.

    Returns:
        The violations, and one clause on what was looked at.

    Raises:
        BoundaryError: it is no PEX file.
    """
    try:
        with zipfile.ZipFile(pex) as archive:
            info = json.loads(archive.read("PEX-INFO"))
            members = archive.namelist()
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise BoundaryError(f"{pex} is not a PEX file: {error}; build it first") from error
    wheels = set(info["distributions"])
    modules: dict[str, str] = {}
    for member in members:
        parts = member.split("/")
        if parts[0] == ".deps" and len(parts) > 2:
            wheels.add(parts[1])
            modules[parts[2].partition(".")[0]] = parts[1]
    violations = [
        Violation(CONTENTS_RULE, pex.name, f"holds the engine {wheel}")
        for wheel in sorted(wheels)
        if policy.is_engine(wheel.partition("-")[0])
    ]
    violations += [
        Violation(CONTENTS_RULE, pex.name, f"holds the engine module {module}, in {wheel}")
        for module, wheel in sorted(modules.items())
        if module in policy.modules
    ]
    return violations, f"{len(wheels)} distributions, {len(modules)} modules"


def check_boot(pex: Path, policy: Policy, python: str) -> tuple[list[Violation], str]:
    """Start the API with a database of its own, and check what it has imported when it is ready.

    Args:
        python: the interpreter to run it with.

    Returns:
        The violations, and one clause on what was looked at.

    Raises:
        BoundaryError: it does not start.
    """
    with tempfile.TemporaryDirectory() as folder:
        config, result = Path(folder) / "querylake.toml", Path(folder) / "modules.json"
        config.write_text(_CONFIG, encoding="utf-8")
        done = subprocess.run(
            [python, str(pex.resolve()), str(_BOOT), str(config), str(result)],
            cwd=folder,
            env={**os.environ, "PEX_INTERPRETER": "1"},
            capture_output=True,
            text=True,
            timeout=_BOOT_SECONDS,
            check=False,
        )
        if not result.exists():
            raise BoundaryError(f"{pex} did not get ready:\n{done.stderr.strip()[-2000:]}")
        loaded = json.loads(result.read_text(encoding="utf-8"))
    return judge_modules(pex.name, loaded, policy), f"{len(loaded)} modules, imported when ready"


def judge_modules(name: str, loaded: list[str], policy: Policy) -> list[Violation]:
    """Return the engines among the modules that a program has imported."""
    return [
        Violation(BOOT_RULE, name, f"imports the engine {module} when it starts")
        for module in loaded
        if module.partition(".")[0] in policy.modules
    ]
