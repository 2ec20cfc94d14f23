"""The memory of a process that is ready to serve."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from querylake_api.process import memory

_POLICY = Path("/sys/kernel/mm/transparent_hugepage/enabled")

GATHERED = """
from pathlib import Path

from querylake_api.process import memory

# Far more than one huge page, of objects and of buffers, some of which go again.
kept = [{str(number): bytes(number % 900)} for number in range(100_000)]
del kept[::3]
before = repr(kept)
gathered = memory.gather_on_huge_pages()
lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
[huge] = [int(line.split()[1]) for line in lines if line.startswith("AnonHugePages:")]
assert repr(kept) == before
kept += [{} for _ in range(100_000)]
print(gathered, huge)
"""


@pytest.mark.skipif(
    not _POLICY.exists() or "[never]" in _POLICY.read_text(), reason="this machine has none to give"
)
def test_the_heap_is_gathered_on_huge_pages() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GATHERED],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    gathered, huge = (int(number) for number in done.stdout.split())
    # The kernel may have none left, and then it is as it was.
    assert huge * 1024 >= gathered * memory.HUGE
    if gathered == 0:
        pytest.skip("the kernel has no huge page to give now")


def test_an_operator_who_wants_none_gets_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "enabled"
    policy.write_text("always madvise [never]\n")
    monkeypatch.setattr(memory, "_POLICY", policy)
    assert memory.gather_on_huge_pages() == 0


def test_a_kernel_without_huge_pages_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_POLICY", tmp_path / "enabled")
    assert memory.gather_on_huge_pages() == 0
