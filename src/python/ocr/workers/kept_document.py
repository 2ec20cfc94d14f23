"""The document that a worker has open: the pages of one are mostly asked for one after another.

To open a PDF file costs little. An office file is unpacked, parsed and laid out as a whole, which
must not happen again for each of its pages.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ocr.conversion_options import ConversionOptions
from ocr.documents.document import Document
from ocr.documents.opening import open_document
from ocr.errors import DocumentRefused


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a document is known by. A file written anew under its old path is another document."""

    path: Path
    inode: int
    size: int
    changed: int
    options: ConversionOptions


class KeptDocument:
    """At most one open document."""

    def __init__(self) -> None:
        self._identity: _Identity | None = None
        self._document: Document | None = None
        self._held = ExitStack()

    def opened(self, path: Path, options: ConversionOptions) -> Document:
        """Return a document: the one that is open, if it is this one.

        Raises:
            DocumentRefused: it is not there, or cannot be opened.
        """
        try:
            state = path.stat()
            identity = _Identity(path, state.st_ino, state.st_size, state.st_mtime_ns, options)
            if self._document is not None and identity == self._identity:
                return self._document
            # Before the next is opened: a worker's memory is limited, and both may be large.
            self.close()
            content = path.read_bytes()
        except FileNotFoundError:
            # Whoever wanted it has just let go of it, and us.
            raise DocumentRefused("it is not there any more") from None
        self._document = self._held.enter_context(open_document(content, options))
        self._identity = identity
        return self._document

    def close(self) -> None:
        """Close what is open."""
        self._identity = self._document = None
        self._held.close()
