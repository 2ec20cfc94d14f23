"""Are two builds of a PEX the same, byte for byte?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.digests import Digests
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.pex_file import run_command
from upgrade_gates.serving.outcome import Outcome

TARGET = "src/python/vllm_runtime:vllm_runtime_pex"
NAME = "vllm_runtime.pex"
BUILD_SECONDS = 7200.0
_SHOWN = 5


def compare_builds(one: Path, other: Path, digests: Digests) -> Outcome:
    """Compare two builds; what differs is named.

    Raises:
        ArtefactUnusable: one is not there, or cannot be read.
    """
    for build in (one, other):
        if not build.exists():
            raise ArtefactUnusable(f"there is no build at {build}")
    if one.resolve() == other.resolve():
        raise ArtefactUnusable(f"{other} is the same build, and not a second one")
    first, second = digests.of(one), digests.of(other)
    output = f"{first}  {one}\n{second}  {other}\n"
    if first == second:
        return Outcome(Verdict.PASS, f"two builds are the same: sha256 {first}", output)
    differing = _differing(one, other, digests) if one.is_dir() and other.is_dir() else []
    named = f" in {', '.join(differing[:_SHOWN])}" if differing else ""
    return Outcome(
        Verdict.FAIL,
        f"two builds differ{named}; were both made from the same sources and the same 3.11?",
        output,
    )


def _differing(one: Path, other: Path, digests: Digests) -> list[str]:
    names = {
        file.relative_to(folder).as_posix()
        for folder in (one, other)
        for file in folder.rglob("*")
        if file.is_file()
    }
    return sorted(name for name in names if digests.of(one / name) != digests.of(other / name))


@contextmanager
def built_again(checkout: Path) -> Iterator[Path]:
    """Build the engine's PEX once more, without what an earlier build left in Pants' cache.

    Raises:
        ArtefactUnusable: it does not build.
    """
    with tempfile.TemporaryDirectory(dir=checkout, prefix=".second-build-") as folder:
        command = [str(checkout / "pants"), "--no-pantsd", "--no-local-cache"]
        command += [f"--pants-distdir={folder}", "package", TARGET]
        ran = run_command(command, seconds=BUILD_SECONDS, cwd=checkout)
        if ran.code != 0:
            raise ArtefactUnusable(f"the second build failed: {ran.last_line}")
        yield Path(folder, NAME)
