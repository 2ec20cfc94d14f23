"""Small model files, as GGUF has them: a header, one tensor, no vocabulary."""

from __future__ import annotations

import struct
from pathlib import Path

_STRING, _BOOL = 8, 7


def gguf_bytes(*, causal: bool = True, template: bool = False) -> bytes:
    """Return a whole file. https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""
    values = [_text("general.architecture") + struct.pack("<I", _STRING) + _text("llama")]
    values.append(_text("llama.attention.causal") + struct.pack("<I?", _BOOL, causal))
    if template:
        values.append(_text("tokenizer.chat_template") + struct.pack("<I", _STRING) + _text("{}"))
    tensor = _text("output.weight") + struct.pack("<IQIQ", 1, 4, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(values)) + b"".join(values) + tensor
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + struct.pack("<4f", 1, 2, 3, 4)


def gguf_file(path: Path, *, template: bool = False) -> Path:
    """Write a file that can chat, and return its path."""
    path.write_bytes(gguf_bytes(template=template))
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()
