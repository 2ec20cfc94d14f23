"""A body that comes in chunks (RFC 9112, section 7.1), decoded as it comes.

What is read of a chunk is exact: extensions are checked and dropped, trailers are checked and
dropped too, since none of them may say what only a header can (RFC 9110, section 6.5.1).
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from typing import Final

from llm_provider.byte_search import holds
from querylake_api.http_server.request_head import TOKEN_CHARACTERS, holds_control_characters

MAX_CHUNK_LINE: Final = 1024
"""Bytes of a chunk's size with its extensions."""

MAX_TRAILERS: Final = 8 * 1024
"""Bytes of all trailers."""

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?")

_SIZE_LINE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class BadChunk(Exception):
    """The body is not framed as chunks are; the message is one clause."""


class ChunkedBody:
    """Decodes one body.

    Attributes:
        complete: whether its end has come.
    """

    __slots__ = ("_left", "_line", "_state", "_trailers", "complete")

    def __init__(self) -> None:
        self._state = _SIZE_LINE
        self._line = b""
        self._left = 0
        self._trailers = 0
        self.complete = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what has come.

        Returns:
            What it brings of the body; and what follows the body's end, if that has come.

        Raises:
            BadChunk: it is no chunk.
        """
        pieces: list[bytes] = []
        if self._line:
            data = self._line + data
            self._line = b""
        at = 0
        size = len(data)
        while at < size and not self.complete:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _DATA_END
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._keep(data, at)
                return b"".join(pieces), b""
            self._take_line(data[at:end])
            at = end + 2
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), data[at:]

    def _keep(self, data: bytes, at: int) -> None:
        """Keep the beginning of a line until the rest has come."""
        line = data[at:]
        self._check_length(len(line))
        if self._state == _DATA_END and line != b"\r":
            raise BadChunk("a chunk is longer than its size")
        if holds(line, b"\n") or holds(line[:-1], b"\r"):
            raise BadChunk("a line of its chunks does not end with CR LF")
        self._line = line

    def _take_line(self, line: bytes) -> None:
        self._check_length(len(line))
        if self._state == _SIZE_LINE:
            match = _SIZE.fullmatch(line)
            if match is None:
                raise BadChunk("the size of a chunk is no hexadecimal number")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILERS
        elif self._state == _DATA_END:
            if line:
                raise BadChunk("a chunk is longer than its size")
            self._state = _SIZE_LINE
        elif not line:
            self._state = _DONE
            self.complete = True
        else:
            self._trailers += len(line) + 2
            name, colon, value = line.partition(b":")
            if not colon or not name or name.translate(None, TOKEN_CHARACTERS):
                raise BadChunk("a trailer is no header")
            if holds_control_characters(value):
                raise BadChunk("a trailer holds control characters")

    def _check_length(self, length: int) -> None:
        if self._state == _TRAILERS:
            if self._trailers + length > MAX_TRAILERS:
                raise BadChunk(f"its trailers are larger than {MAX_TRAILERS} bytes")
        elif length > MAX_CHUNK_LINE:
            raise BadChunk(f"the size line of a chunk is longer than {MAX_CHUNK_LINE} bytes")
