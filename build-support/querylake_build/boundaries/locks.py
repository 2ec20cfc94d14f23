"""What the locks of light stacks pin."""

from __future__ import annotations

from pathlib import Path

from querylake_build.boundaries.policy import BoundaryError, Policy, Violation
from querylake_build.locks.lockfile import read_pins

RULE = "locks"


def check_locks(repository: Path, policy: Policy) -> tuple[list[Violation], str]:
    """Check the locks of light stacks; also return one clause on what was looked at."""
    violations: list[Violation] = []
    count = 0
    for name in policy.light_locks:
        file = repository / "3rdparty" / "python" / f"{name}.lock"
        try:
            pins = read_pins(file)
        except OSError as error:
            raise BoundaryError(f"{file} cannot be read: {error.strerror}") from error
        count += len(pins)
        violations += [
            Violation(RULE, f"3rdparty/python/{name}.lock", f"pins the engine {pin}=={version}")
            for pin, version in pins.items()
            if policy.is_engine(pin)
        ]
    return violations, f"{count} pins of {', '.join(policy.light_locks)}"
