"""What locks pin: no engine in a light stack, nothing that is only for tests in any of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from querylake_build.boundaries.policy import BoundaryError, Policy, TestTools, Violation
from querylake_build.locks.lockfile import read_pins

RULE = "locks"

Pins = Mapping[str, Mapping[str, str]]
"""By lock: version by distribution."""


def check_locks(repository: Path, policy: Policy) -> tuple[list[Violation], str]:
    """Check the locks of stacks; also return one clause on what was looked at."""
    tools = policy.test_tools
    names = dict.fromkeys([*policy.light_locks, *tools.stacks, *tools.tested_stacks, tools.lock])
    pins = {name: _pins(repository, name) for name in names}
    violations = [
        _violation(name, f"pins the engine {pin}=={version}")
        for name in policy.light_locks
        for pin, version in pins[name].items()
        if policy.is_engine(pin)
    ]
    violations += _for_tests(pins, tools)
    violations += _disagreeing(pins, tools)
    return violations, f"{sum(map(len, pins.values()))} pins of {len(pins)} locks"


def _pins(repository: Path, name: str) -> dict[str, str]:
    file = repository / "3rdparty" / "python" / f"{name}.lock"
    try:
        return read_pins(file)
    except OSError as error:
        raise BoundaryError(f"{file} cannot be read: {error.strerror}") from error


def _for_tests(pins: Pins, tools: TestTools) -> Iterator[Violation]:
    for name in tools.stacks:
        for pin, version in pins[name].items():
            if tools.has(pin):
                yield _violation(
                    name, f"pins {pin}=={version}, which is for tests: it belongs in {tools.lock}"
                )


def _disagreeing(pins: Pins, tools: TestTools) -> Iterator[Violation]:
    """Yield what a test would get in two versions, of which one wins unseen."""
    for name in tools.tested_stacks:
        for pin in sorted(pins[name].keys() & pins[tools.lock].keys()):
            ours, theirs = pins[name][pin], pins[tools.lock][pin]
            if ours != theirs:
                yield _violation(name, f"pins {pin}=={ours}, and {tools.lock} {pin}=={theirs}")


def _violation(name: str, says: str) -> Violation:
    return Violation(RULE, f"3rdparty/python/{name}.lock", says)
