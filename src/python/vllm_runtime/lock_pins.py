"""Which versions a lock file pins. The format is pip's, as the project's lock tool writes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vllm_runtime.errors import LockUnreadable

_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)


def pinned_versions(lock: Path, packages: Sequence[str]) -> dict[str, str]:
    """Return the pinned version of each package.

    Raises:
        LockUnreadable: the file is not there, is not text, or lacks one of the packages.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise LockUnreadable(f"the lock {lock} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise LockUnreadable(f"the lock {lock} is not a text file") from None
    pins = {name.lower().replace("_", "-"): version for name, version in _PIN.findall(text)}
    missing = [package for package in packages if package not in pins]
    if missing:
        raise LockUnreadable(
            f"the lock {lock} has no line `{missing[0]}==VERSION`; name the lock of a stack that "
            "holds vLLM"
        )
    return {package: pins[package] for package in packages}
