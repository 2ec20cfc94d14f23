"""Reading what a GGUF file says of its model, without loading it.

The `gguf` package's reader builds an object per token of the vocabulary, which takes longer than
the engine needs to load the model; this one passes over arrays. The standard library is enough for
it, so that a wrong file is reported before anything is built.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_LENGTH = _SCALARS[10]
_KIND = _SCALARS[4]
_MAX_KEYS = 10_000
_MAX_TENSORS = 100_000
_MAX_DIMENSIONS = 8
_TENSORS = "(tensors)"
"""Where the number of tensors stands among the values of the header; no key has such a name."""
_MAX_STRING = 64 * 1024 * 1024
_MAX_ARRAY = 1024 * 1024 * 1024

Scalar = str | int | float | bool

_DEFAULT_ALIGNMENT = 32
_BLOCKS = {
    0: (1, 4),  # F32
    1: (1, 2),  # F16
    2: (32, 18),  # Q4_0
    3: (32, 20),  # Q4_1
    6: (32, 22),  # Q5_0
    7: (32, 24),  # Q5_1
    8: (32, 34),  # Q8_0
    10: (256, 84),  # Q2_K
    11: (256, 110),  # Q3_K
    12: (256, 144),  # Q4_K
    13: (256, 176),  # Q5_K
    14: (256, 210),  # Q6_K
    30: (1, 2),  # BF16
}
"""Weights and bytes of a block, by ggml's number of the type; of other types no size is known."""


class GgufUnusable(Exception):
    """A file is missing, cannot be read, or is no whole GGUF file; the message says which."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says of its model.

    Attributes:
        architecture: llama.cpp's name of it, e.g. `llama` or `bert`.
        licence: as its author wrote it, or None.
        context_length: the longest text that it was trained on, in tokens; None if it does not say.
        causal: whether it can continue a text. Encoders cannot.
        pooling: whether it says how to make one vector of a text.
        chat_template: its own, or None.
    """

    architecture: str
    licence: str | None
    context_length: int | None
    causal: bool
    pooling: bool
    chat_template: str | None


def read_header(path: Path) -> GgufHeader:
    """Read the header of a file.

    Raises:
        GgufUnusable: it is missing, cannot be read, is no GGUF file, or ends too early.
    """
    if not path.is_file():
        raise GgufUnusable(f"{path} is not a file; name a model in GGUF format")
    try:
        with path.open("rb") as file:
            values = _values(file)
            size, needed = path.stat().st_size, _bytes_needed(file, values)
        if size < needed:
            raise _Malformed(f"it has {size} bytes, and its tensors need {needed}; load it again")
    except OSError as error:
        raise GgufUnusable(f"{path} cannot be read: {error.strerror}") from None
    except _Malformed as error:
        raise GgufUnusable(f"{path} is not a usable GGUF file: {error}") from None
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise GgufUnusable(f"{path} is not a usable GGUF file: it names no architecture")
    licence = values.get("general.license")
    context = values.get(f"{architecture}.context_length")
    template = values.get("tokenizer.chat_template")
    return GgufHeader(
        architecture=architecture,
        licence=licence if isinstance(licence, str) else None,
        context_length=context if isinstance(context, int) else None,
        causal=values.get(f"{architecture}.attention.causal") is not False,
        pooling=f"{architecture}.pooling_type" in values,
        chat_template=template if isinstance(template, str) else None,
    )


class _Malformed(Exception):
    """The bytes are not what the format says."""


def _values(file: BinaryIO) -> dict[str, Scalar]:
    if file.read(4) != _MAGIC:
        raise _Malformed("it does not begin with the letters GGUF")
    version = _number(file, _KIND)
    if version not in _VERSIONS:
        raise _Malformed(f"it has version {version} of the format, versions 2 and 3 are known")
    tensors = _number(file, _LENGTH)
    count = _number(file, _LENGTH)
    if count > _MAX_KEYS or tensors > _MAX_TENSORS:
        raise _Malformed(f"it claims to have {count} values and {tensors} tensors")
    values: dict[str, Scalar] = {_TENSORS: tensors}
    for _ in range(count):
        key = _text(file)
        value = _value(file, _number(file, _KIND))
        if value is not None:
            values[key] = value
    return values


def _bytes_needed(file: BinaryIO, values: Mapping[str, Scalar]) -> int:
    """Return how long a file has to be for its tensors, whose list comes next."""
    end = 0
    for _ in range(int(values[_TENSORS])):
        _text(file)
        dimensions = _number(file, _KIND)
        if dimensions > _MAX_DIMENSIONS:
            raise _Malformed(f"it claims to have a tensor of {dimensions} dimensions")
        weights = math.prod(_number(file, _LENGTH) for _ in range(dimensions))
        kind, offset = _number(file, _KIND), _number(file, _LENGTH)
        per_block, block = _BLOCKS.get(kind, (1, 0))
        end = max(end, offset + weights // per_block * block)
    alignment = values.get("general.alignment")
    step = alignment if isinstance(alignment, int) and alignment > 0 else _DEFAULT_ALIGNMENT
    return -(-file.tell() // step) * step + end if end else 0


def _value(file: BinaryIO, kind: int) -> Scalar | None:
    if kind == _ARRAY:
        _pass_over(file)
        return None
    if kind == _STRING:
        return _text(file)
    if kind not in _SCALARS:
        raise _Malformed(f"its header has a value of the unknown kind {kind}")
    form = _SCALARS[kind]
    value: int | float | bool = form.unpack(_bytes(file, form.size))[0]
    return value


def _pass_over(file: BinaryIO) -> None:
    """Read to the end of an array."""
    kind = _number(file, _KIND)
    count = _number(file, _LENGTH)
    if kind in _SCALARS:
        _seek(file, _SCALARS[kind].size * count)
        return
    if kind != _STRING:
        raise _Malformed(f"its header has an array of the unknown kind {kind}")
    for _ in range(count):
        _seek(file, _number(file, _LENGTH))


def _seek(file: BinaryIO, length: int) -> None:
    if length > _MAX_ARRAY:
        raise _Malformed(f"its header has an array of {length} bytes")
    file.seek(length, 1)


def _text(file: BinaryIO) -> str:
    length = _number(file, _LENGTH)
    if length > _MAX_STRING:
        raise _Malformed(f"its header has a text of {length} bytes")
    return _bytes(file, length).decode("utf-8", "replace")


def _number(file: BinaryIO, form: struct.Struct) -> int:
    value: int = form.unpack(_bytes(file, form.size))[0]
    return value


def _bytes(file: BinaryIO, length: int) -> bytes:
    found = file.read(length)
    if len(found) != length:
        raise _Malformed("it ends in the middle of its header")
    return found
