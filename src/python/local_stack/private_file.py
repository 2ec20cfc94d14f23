"""Small secrets in files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path

from local_stack.errors import DataDirUnusable
from local_stack.layout import shown


def read_secret(path: Path) -> str | None:
    """Return what a file holds, or None if it is missing or empty.

    Raises:
        DataDirUnusable: it is there and cannot be read.
    """
    try:
        return path.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise DataDirUnusable(f"{shown(path)} cannot be read: {reason}") from None


def write_secret(path: Path, secret: str) -> None:
    """Put a secret into a file, at once or not at all; nobody else can read it at any moment.

    Raises:
        DataDirUnusable: the file cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret + "\n")
        temporary.replace(path)
    except OSError as error:
        raise DataDirUnusable(f"{shown(path)} cannot be written: {error.strerror}") from None
