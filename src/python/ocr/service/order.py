"""What is to be done, named by its content: the same document and options are the same work."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydantic import TypeAdapter

from ocr.conversion_options import ConversionOptions
from querylake_version import VERSION

OPTIONS: TypeAdapter[ConversionOptions] = TypeAdapter(ConversionOptions)

_KEY = {"engine": {"upstream": {"api_key"}}}
"""A new key for the same engine makes no other work."""


@dataclass(frozen=True, slots=True)
class Order:
    """A document and how to convert it.

    Attributes:
        digest: names the work. It covers the document, the options and the version of this program,
            which may read better than the one before.
        size: of the document, in bytes.
    """

    digest: str
    size: int
    options: ConversionOptions

    @classmethod
    def of(cls, content_sha256: str, size: int, options: ConversionOptions) -> Order:
        """Return the order for a document."""
        named = hashlib.sha256()
        how = OPTIONS.dump_json(options, exclude=_KEY)
        for part in (VERSION.encode(), content_sha256.encode(), how):
            named.update(len(part).to_bytes(8, "big") + part)
        return cls(named.hexdigest(), size, options)
