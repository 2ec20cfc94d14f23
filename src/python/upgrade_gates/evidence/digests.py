"""The SHA-256 of files, and of folders such as a packed PEX, read again only when they change."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from upgrade_gates.errors import ArtefactUnusable


class Digests:
    """Digests with a memory.

    A file is read again when its size, its inode, or its time of change (to the nanosecond) differs
    from what it was. An edit that restores all three goes unseen; `fresh` reads it all the same.

    Args:
        cache: the file that holds what is known.
        fresh: read everything.
    """

    def __init__(self, cache: Path, *, fresh: bool = False) -> None:
        self._cache = cache
        self._known: dict[str, Any] = {} if fresh else _read(cache)
        self._changed = False

    def of(self, path: Path) -> str | None:
        """Return the digest of a file or folder; None if nothing is there.

        A folder's digest is that of the list of its files: one line `<sha256>  <path>` each, sorted
        by path, as `sha256sum` writes them.

        Raises:
            ArtefactUnusable: it cannot be read.
        """
        try:
            if path.is_dir():
                digest = self._folder(path)
            elif path.exists():
                digest = self._file(path)
            else:
                return None
        except OSError as error:
            raise ArtefactUnusable(f"{error.filename} cannot be read: {error.strerror}") from None
        self._save()
        return digest

    def _folder(self, path: Path) -> str:
        files = sorted(
            (Path(folder, name) for folder, _, names in os.walk(path) for name in names),
            key=lambda file: file.relative_to(path).as_posix(),
        )
        lines = [f"{self._file(file)}  {file.relative_to(path).as_posix()}\n" for file in files]
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def _file(self, path: Path) -> str:
        stat = path.stat()
        state = [stat.st_size, stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._known.get(str(path.resolve()))
        if isinstance(known, list) and known[:-1] == state:
            return str(known[-1])
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        self._known[str(path.resolve())] = [*state, digest]
        self._changed = True
        return digest

    def _save(self) -> None:
        if not self._changed:
            return
        self._changed = False
        # A memory that cannot be kept costs time and nothing else.
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(dir=self._cache.parent, prefix=".new-")
            with os.fdopen(descriptor, "w", encoding="utf-8") as new:
                json.dump(self._known, new)
            os.replace(name, self._cache)


def _read(cache: Path) -> dict[str, Any]:
    try:
        known = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
