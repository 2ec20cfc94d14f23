"""Fixtures: a checkout with stand-ins, and `up` on top of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack_testing.checkout import FAKE_PANTS, FAKE_PROGRAM, Checkout
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
def unbuilt(checkout: Checkout) -> Checkout:
    """A checkout with sources and a stand-in for Pants."""
    (checkout.root / "dist").rename(checkout.root / "prepared")
    source = checkout.root / "src" / "python" / "querylake_api" / "app.py"
    source.parent.mkdir(parents=True)
    source.write_text("answer = 42\n")
    pants = checkout.root / "pants"
    pants.write_text(FAKE_PANTS)
    pants.chmod(0o755)
    return checkout


@pytest.fixture
def start_up(checkout: Checkout) -> Iterator[StartUp]:
    """Start `up`; whatever a test leaves behind is stopped."""
    running: list[Up] = []

    def start(*arguments: str, build: bool = False, **mode: str) -> Up:
        chosen = arguments if build else ("--no-build", *arguments)
        running.append(Up(checkout, ("--port", "0", *chosen), mode))
        return running[-1]

    yield start
    for up in running:
        if up.process.poll() is None:
            up.process.terminate()
            up.process.wait(SECONDS)
