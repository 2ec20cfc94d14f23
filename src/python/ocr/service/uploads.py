"""A document on its way in: to the disk, counted and named by its content, within bounds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.types import Message

from ocr.conversion.options import ConversionOptions, Limits, TextLayer
from ocr.engines.settings import EngineSettings
from ocr.errors import DocumentTooLarge
from ocr.service.errors import RequestRefused, UploadTooSlow
from ocr.service.order import Order

_PIECE = 1024 * 1024
_FORM_BYTES = 64 * 1024
"""What a form may have beside the document."""

IDLE_SECONDS = 60.0
"""Between two pieces of a document on its way; then it is given up."""

_MAX_NAME = 200

Format = Literal["json", "markdown"]


class Fields(BaseModel):
    """The fields of a form beside its file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pages: str | None = Field(None, max_length=1000, description="Such as `1-3,7`; else all.")
    password: str | None = Field(None, max_length=1000, description="Opens an encrypted PDF.")
    text_layer: TextLayer = "auto"
    dpi: int = Field(200, ge=72, le=600, description="For pages that are recognised.")
    format: Format = Field("json", description="Of the answer of POST /v1/ocr.")


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
    """Read a form with a document, write the document to a path, and remove what is left there.

    Raises:
        DocumentTooLarge: it is larger than the limit.
        RequestRefused: the form lacks the file, has a field that is wrong, or stops coming.
    """
    limit = terms.limits.bytes
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise _no_file()
    _bound(request, limit)
    form = await request.form(max_files=1, max_fields=20)
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise _no_file()
        fields = _fields(form)
        digest, size = await _write(file, path, limit)
        options = ConversionOptions(
            engine=terms.engine,
            text_layer=fields.text_layer,
            pages=fields.pages,
            password=fields.password,
            dpi=fields.dpi,
            limits=terms.limits,
        )
        name = (file.filename or "document")[-_MAX_NAME:]
        yield Received(path, name, Order.of(digest, size, options), fields.format)
    finally:
        await form.close()
        path.unlink(missing_ok=True)


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
        "There is no file. Send the document as multipart/form-data in the field `file`.",
        code="missing_file",
        param="file",
    )


def _fields(form: FormData) -> Fields:
    given = {name: value for name, value in form.items() if name != "file" and value != ""}
    try:
        return Fields.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        known = ", ".join(Fields.model_fields)
        hint = f" Known: file, {known}." if first["type"] == "extra_forbidden" else ""
        raise RequestRefused(
            f"The field {name!r}: {first['msg']}.{hint}", code="invalid_value", param=name
        ) from None


async def _write(file: UploadFile, path: Path, limit: int) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    with path.open("wb") as target:
        while piece := await file.read(_PIECE):
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest(), size
