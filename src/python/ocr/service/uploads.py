"""A document on its way in: to the disk, counted and named by its content, within bounds.

It is the file of a form (multipart/form-data), or the whole body of the request.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.types import Message

from ocr.conversion_options import Limits
from ocr.engines.settings import EngineSettings
from ocr.errors import DocumentTooLarge
from ocr.formats.text_formats import text_format
from ocr.service.errors import RequestRefused, UploadTooSlow
from ocr.service.fields import PASSWORD_HEADER, Fields, Format, fields_of
from ocr.service.order import Order

_PIECE = 1024 * 1024
_FORM_BYTES = 64 * 1024
"""What a form may have beside the document."""

IDLE_SECONDS = 60.0
"""Between two pieces of a document on its way; then it is given up."""

_MAX_NAME = 200
_NO_DOCUMENT = ("application/json", "application/x-www-form-urlencoded")
"""Types of bodies that are meant for another kind of interface: never taken for a plain text."""


@dataclass(frozen=True, slots=True)
class Received:
    """A document that has arrived.

    Attributes:
        path: where it is; whoever takes it moves it away.
    """

    path: Path
    file_name: str
    order: Order
    format: Format


@dataclass(frozen=True, slots=True)
class Terms:
    """What every conversion of this service has in common."""

    engine: EngineSettings
    limits: Limits


@asynccontextmanager
async def received(request: Request, path: Path, terms: Terms) -> AsyncIterator[Received]:
    """Take a document in, write it to a path, and remove what is left there.

    Raises:
        DocumentTooLarge: it is larger than the limit.
        RequestRefused: there is none, a field is wrong, or it stops coming.
    """
    kind = request.headers.get("content-type", "")
    is_form = kind.startswith("multipart/form-data")
    _bound(request, terms.limits.bytes)
    try:
        yield await (_from_form if is_form else _from_body)(request, path, terms)
    finally:
        await request.close()
        path.unlink(missing_ok=True)


async def _from_form(request: Request, path: Path, terms: Terms) -> Received:
    form = await request.form(max_files=1, max_fields=20)
    file = form.get("file")
    if not isinstance(file, UploadFile):
        raise _no_file()
    asked = _asked_by_address(request)
    fields_of(asked, "query parameter")
    fields_given = [(name, value) for name, value in form.multi_items() if name != "file"]
    given = _each_once([*asked.items(), *fields_given])
    fields = fields_of({"password": _password(request), **given}, "field")
    writing = _Writing(path, terms.limits.bytes)
    with writing:
        while piece := await file.read(_PIECE):
            writing.add(piece)
    return _received(writing, terms, fields, file.filename, file.content_type)


async def _from_body(request: Request, path: Path, terms: Terms) -> Received:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() in _NO_DOCUMENT:
        raise _no_file()
    asked = _asked_by_address(request)
    fields = fields_of({"password": _password(request), **asked}, "query parameter")
    writing = _Writing(path, terms.limits.bytes)
    with writing:
        async for piece in request.stream():
            writing.add(piece)
    if not writing.size:
        raise _no_file()
    return _received(writing, terms, fields, fields.file_name, kind)


def _asked_by_address(request: Request) -> dict[str, object]:
    """Return the query parameters, which say the same as the fields of a form.

    Raises:
        RequestRefused: a password is among them, or one is given twice.
    """
    asked = _each_once(request.query_params.multi_items())
    if "password" in asked:
        raise RequestRefused(
            f"A password in an address ends up in logs. Send it as the header {PASSWORD_HEADER}.",
            code="invalid_value",
            param="password",
        )
    return asked


def _each_once(given: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return fields by name.

    Raises:
        RequestRefused: one is given twice, and nobody can know which is meant.
    """
    found: dict[str, object] = {}
    for name, value in given:
        if name in found:
            raise RequestRefused(
                f"{name!r} is given twice. Give it once.", code="invalid_value", param=name
            )
        found[name] = value
    return found


def _password(request: Request) -> str:
    return request.headers.get(PASSWORD_HEADER, "")


def _received(
    writing: _Writing, terms: Terms, fields: Fields, name: str | None, kind: str | None
) -> Received:
    said = text_format(name or "", kind or "")
    options = fields.options(terms.engine, terms.limits, said)
    order = Order.of(writing.digest.hexdigest(), writing.size, options)
    return Received(writing.path, (name or "document")[-_MAX_NAME:], order, fields.format)


class _Writing:
    """A file that is written, counted and named on the way."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.digest = hashlib.sha256()
        self.size = 0
        self._limit = limit

    def __enter__(self) -> None:
        self._file = self.path.open("wb")

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, piece: bytes) -> None:
        """Write a piece.

        Raises:
            DocumentTooLarge: there is more than the limit.
            OSError: the disk takes no more.
        """
        self.size += len(piece)
        if self.size > self._limit:
            raise _too_large(self._limit)
        self.digest.update(piece)
        self._file.write(piece)


def _bound(request: Request, limit: int) -> None:
    """Let a request be read only so far, and not for ever."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit + _FORM_BYTES:
        raise _too_large(limit)
    receive = request._receive
    size = 0

    async def counted() -> Message:
        nonlocal size
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await receive()
        except TimeoutError:
            raise UploadTooSlow(IDLE_SECONDS) from None
        size += len(message.get("body", b""))
        if size > limit + _FORM_BYTES:
            raise _too_large(limit)
        return message

    request._receive = counted


def _too_large(limit: int) -> DocumentTooLarge:
    return DocumentTooLarge(f"it has more than the limit of {limit:,} bytes")


def _no_file() -> RequestRefused:
    return RequestRefused(
        "There is no file. Send the document as multipart/form-data in the field `file`, or as the "
        "body, such as curl --data-binary @FILE -H 'Content-Type: application/pdf'.",
        code="missing_file",
        param="file",
    )
