"""Fixtures: a checkout with stand-ins, and `up` on top of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack_testing.checkout import FAKE_PROGRAM, FAKE_UV, Checkout
from local_stack_testing.running import SECONDS, StartUp, Up


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with built programs."""
    made = Checkout(tmp_path / "a checkout")
    for name in ("querylake_api.pex", "cpu_runtime.pex"):
        program = made.root / "dist" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(FAKE_PROGRAM)
    return made


@pytest.fixture
def bare(checkout: Checkout) -> Checkout:
    """A checkout with sources and locks, and a stand-in for uv."""
    for package, pex in (("querylake_api", "querylake_api"), ("cpu_runtime", "cpu_runtime")):
        source = checkout.root / "src" / "python" / package / "__main__.py"
        source.parent.mkdir(parents=True)
        program = checkout.root / "dist" / f"{pex}.pex"
        source.write_text(f"import runpy\nrunpy.run_path({str(program)!r})\n")
    for stack in ("api", "cpu"):
        lock = checkout.root / "3rdparty" / "python" / f"{stack}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.write_text(f"something-of-{stack}==1\n")
    checkout.uv.write_text(FAKE_UV.format(python=sys.executable))
    checkout.uv.chmod(0o755)
    return checkout


@pytest.fixture
def start_up(checkout: Checkout) -> Iterator[StartUp]:
    """Start `up`; whatever a test leaves behind is stopped."""
    running: list[Up] = []

    def start(*arguments: str, packaged: bool = True, **mode: str) -> Up:
        chosen = ("--packaged", *arguments) if packaged else arguments
        running.append(Up(checkout, ("--port", "0", *chosen), mode))
        return running[-1]

    yield start
    for up in running:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(SECONDS)
