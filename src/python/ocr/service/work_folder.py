"""One work on disk: the document and its finished pages, and in the end the result alone."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ocr.conversion.assembly import DocumentResult
from ocr.conversion.result import PageResult
from ocr.conversion_options import ConversionOptions
from ocr.engines.settings import EngineSettings
from ocr.service.order import OPTIONS

_PAGE: TypeAdapter[PageResult] = TypeAdapter(PageResult)


class WorkFolder:
    """The folder of one work. Files get their names when they are whole, so none is half there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.document = path / "document"
        self._options = path / "options.json"
        self._pages = path / "pages"
        self._result = path / "result.json"

    def begin(self, upload: Path, options: ConversionOptions) -> None:
        """Take a document in, unless it is there already. The file that was given is moved."""
        self._pages.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The engine is the service's own, and its settings may hold a key.
        write_whole(self._options, OPTIONS.dump_json(options, exclude={"engine"}))
        os.replace(upload, self.document)

    def options(self, engine: EngineSettings) -> ConversionOptions | None:
        """Return how the document is to be converted; None if it is not there to be converted.

        Args:
            engine: the one that reads it.
        """
        if not self.document.exists():
            return None
        try:
            return replace(OPTIONS.validate_json(self._options.read_bytes()), engine=engine)
        except (FileNotFoundError, ValidationError):
            return None

    def page(self, number: int) -> PageResult | None:
        """Return a finished page, or None if it is to be done."""
        try:
            return _PAGE.validate_json(self._page(number).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def keep_page(self, result: PageResult) -> None:
        """Keep a page, so that it need not be done again."""
        write_whole(self._page(result.number), _PAGE.dump_json(result))

    def result(self) -> DocumentResult | None:
        """Return the result, or None if there is none yet."""
        try:
            return DocumentResult.model_validate_json(self._result.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def finish(self, result: DocumentResult) -> None:
        """Keep the result, and let go of the document, its password and the single pages."""
        write_whole(self._result, result.model_dump_json().encode())
        self.let_go()
        shutil.rmtree(self._pages, ignore_errors=True)

    def let_go(self) -> None:
        """Remove the document, and how it was to be converted: a password may be in that."""
        self.document.unlink(missing_ok=True)
        self._options.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget all of it."""
        shutil.rmtree(self._path, ignore_errors=True)

    def _page(self, number: int) -> Path:
        return self._pages / f"{number:06}.json"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that survives a crash of the machine, or is not there."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
