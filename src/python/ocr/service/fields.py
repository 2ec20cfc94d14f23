"""What a request says of how its document is to be converted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ocr.conversion_options import ConversionOptions, Limits, TextLayer
from ocr.engines.settings import EngineSettings
from ocr.formats.text_formats import TextFormat
from ocr.service.errors import RequestRefused

PASSWORD_HEADER = "x-ocr-password"
"""Of a document that is the whole body: an address with a password would be in everybody's logs."""

Format = Literal["json", "markdown"]


class Fields(BaseModel):
    """The fields of a form beside its file, or the query parameters of a body that is the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pages: str | None = Field(None, max_length=1000, description="Such as `1-3,7`; else all.")
    password: str | None = Field(None, max_length=1000, description="Opens an encrypted PDF.")
    text_layer: TextLayer = "auto"
    dpi: int = Field(200, ge=72, le=600, description="For pages that are recognised.")
    format: Format = Field("json", description="Of the response of POST /v1/ocr.")
    file_name: str | None = Field(
        None, max_length=1000, description="Of a body that is the file; tells CSV from text."
    )

    def options(
        self, engine: EngineSettings, limits: Limits, text_format: TextFormat | None
    ) -> ConversionOptions:
        """Return the options of a conversion."""
        return ConversionOptions(
            engine=engine,
            text_layer=self.text_layer,
            pages=self.pages,
            password=self.password,
            text_format=text_format,
            dpi=self.dpi,
            limits=limits,
        )


def fields_of(given: Mapping[str, object], place: Literal["field", "query parameter"]) -> Fields:
    """Return fields that are sound.

    Args:
        given: by name; empty ones count as not given.
        place: where they were given, for messages.

    Raises:
        RequestRefused: one is unknown, or its value is wrong.
    """
    try:
        return Fields.model_validate({name: value for name, value in given.items() if value != ""})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        known = ["file", *Fields.model_fields]
        if place == "query parameter":
            known = [each for each in known if each not in ("file", "password")]
        hint = f" Known: {', '.join(known)}." if first["type"] == "extra_forbidden" else ""
        raise RequestRefused(
            f"The {place} {name!r}: {first['msg']}.{hint}", code="invalid_value", param=name
        ) from None
