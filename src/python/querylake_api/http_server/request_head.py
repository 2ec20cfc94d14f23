"""The head of one request, read strictly: what RFC 9112 allows, and nothing that others may frame
in another way.

A proxy in front and this server must agree where a request ends, or the rest of one becomes a
request of somebody else. So whatever is ambiguous is refused, not repaired.

https://www.rfc-editor.org/rfc/rfc9112
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import httptools

MAX_HEADERS: Final = 256
"""Header lines of one request; each costs some 100 bytes beside its own length."""

TOKEN_CHARACTERS: Final = (
    b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
"""Of methods and header names (RFC 9110, section 5.6.2)."""

_CONTROL_CHARACTERS: Final = bytes({*range(0x20), 0x7F} - {0x09})
"""What header values may not hold (RFC 9110, section 5.5)."""

_TARGET_CHARACTERS: Final = bytes(range(0x21, 0x7F))
_LOWER: Final = bytes(range(0x41)) + bytes(range(0x61, 0x7B)) + bytes(range(0x5B, 0x100))

_MAX_LENGTH_DIGITS: Final = 18
"""Of `Content-Length`: what is longer is no 64-bit number."""

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]+)(?::[0-9]{0,5})?")

_FRAMING: Final = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"expect",
        b"host",
        b"transfer-encoding",
    }
)
"""Headers that say something about the message; nothing is done about others."""

_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization", b"x-api-key"})
"""Headers that are not kept longer than for their request."""

_LONGEST_HOST: Final = 512
_LONGEST_USUAL_NAME: Final = 64

_MAX_KNOWN_LINES: Final = 64
_LONGEST_KNOWN_LINE: Final = 256
"""Bytes of a line that is kept; so a connection keeps at most some 50 KB, and usually 2."""

Field = tuple[bytes, bytes]
"""The lower-case name and the value of a header."""


class BadHead(Exception):
    """The head is not one that may be served.

    Attributes:
        status: what it is answered with.
        reason: a clause that says what is wrong.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class RequestHead:
    """What the head of a request says.

    Attributes:
        path: decoded.
        raw_path: as it came.
        version: `1.1` or `1.0`.
        headers: in their order, with lower-case names.
        length: of the body in bytes; 0 if it has none, or comes in chunks.
        chunked: whether the body comes in chunks.
        keep_alive: whether another request may follow.
        expects_continue: whether the client holds the body back until it is asked for.
        content_encoding: how the body is encoded, lower-case; empty if it is not.
    """

    __slots__ = (
        "chunked",
        "content_encoding",
        "expects_continue",
        "headers",
        "keep_alive",
        "length",
        "method",
        "path",
        "query",
        "raw_path",
        "version",
    )

    def __init__(self, method: str, path: str, raw_path: bytes, query: bytes, version: str) -> None:
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.version = version
        self.headers: list[Any] = []
        self.length = 0
        self.chunked = False
        # HTTP/1.0 has no standard way to keep a connection that all of its proxies understand.
        self.keep_alive = version == "1.1"
        self.expects_continue = False
        self.content_encoding = b""


def begins_request(data: bytes) -> bool:
    """Return whether the first bytes of a connection may begin a request.

    A TLS handshake holds no line to wait for, so it is recognised by how it begins.
    """
    return data[:1] in _FIRST_BYTES


_FIRST_BYTES: Final = frozenset(bytes((each,)) for each in TOKEN_CHARACTERS)


class HeadReader:
    """Reads the heads of one connection's requests.

    A client sends nearly the same lines with each request, and to look a line up costs a tenth of
    what it costs to read it. What one client has sent is kept for its own connection alone, and
    secrets are not kept.
    """

    __slots__ = ("_fields", "_request_lines")

    def __init__(self) -> None:
        self._request_lines: dict[bytes, tuple[str, str, bytes, bytes, str]] = {}
        # Of fields. Compiled code unpacks a tuple of a declared type, and packs it to pass it on.
        self._fields: dict[bytes, Any] = {}

    @property
    def lines_kept(self) -> int:
        """How many lines need not be read when they come again."""
        return len(self._request_lines) + len(self._fields)

    def read(self, head: bytes) -> RequestHead:
        """Return what a head says.

        Args:
            head: up to its empty line, without the last CRLFCRLF.

        Raises:
            BadHead: it is not HTTP/1.1 or 1.0, or does not say clearly where its body ends.
        """
        lines = head.split(b"\r\n")
        known = self._fields
        first = self._request_lines.get(lines[0])
        if first is None:
            first = _request_line(lines[0])
            _keep(self._request_lines, lines[0], first)
        if len(lines) > MAX_HEADERS + 1:
            raise BadHead(f"it has more than {MAX_HEADERS} header lines", 431)
        method, path, raw_path, query, version = first
        parsed = RequestHead(method, path, raw_path, query, version)
        headers = parsed.headers
        framing: list[Field] = []
        for number in range(1, len(lines)):
            line = lines[number]
            field = known.get(line)
            if field is None:
                field = _field(line, number)
                if field[0] not in _SECRET:
                    _keep(known, line, field)
            headers.append(field)
            if field[0] in _FRAMING:
                framing.append(field)
        _frame(parsed, framing)
        return parsed


def _keep(known: dict[bytes, Any], line: bytes, read: Any) -> None:
    if len(line) > _LONGEST_KNOWN_LINE:
        return
    if len(known) >= _MAX_KNOWN_LINES:
        known.clear()
    known[line] = read


def holds_control_characters(value: bytes) -> bool:
    """Return whether a line or a header's value holds what none may hold."""
    return len(value.translate(None, _CONTROL_CHARACTERS)) != len(value)


def _check_characters(line: bytes) -> None:
    """Raise `BadHead` if a line holds what none may hold."""
    if not holds_control_characters(line):
        return
    if b"\r" in line or b"\n" in line:
        raise BadHead("a line of its head does not end with CR LF")
    raise BadHead("its head holds control characters")


def _field(line: bytes, number: int) -> Field:
    _check_characters(line)
    name, colon, value = line.partition(b":")
    if not colon:
        name = b""
    lower = _usual_name(name) if len(name) <= _LONGEST_USUAL_NAME else _lower_name(name)
    if not lower:
        raise BadHead(f"line {number + 1} of its head is no header")
    return lower, value.strip(b" \t")


@lru_cache(maxsize=256)
def _usual_name(name: bytes) -> bytes:
    return _lower_name(name)


def _lower_name(name: bytes) -> bytes:
    """Return a header's name in lower case; nothing if it is none."""
    return b"" if name.translate(None, TOKEN_CHARACTERS) else name.translate(_LOWER)


def _request_line(line: bytes) -> tuple[str, str, bytes, bytes, str]:
    """Return method, decoded path, path, query and version."""
    _check_characters(line)
    parts = line.split(b" ")
    method = parts[0]
    if not method or method.translate(None, TOKEN_CHARACTERS):
        raise BadHead("Invalid method encountered")
    if len(parts) != 3:
        raise BadHead("its first line is not `METHOD target HTTP/1.1`")
    version = parts[2]
    if version == b"HTTP/1.1":
        number = "1.1"
    elif version == b"HTTP/1.0":
        number = "1.0"
    elif version == b"HTTP/2.0":
        raise BadHead("it is HTTP/2, which is not spoken here")
    else:
        raise BadHead("its version is neither HTTP/1.1 nor HTTP/1.0")
    target = parts[1]
    if not target or target.translate(None, _TARGET_CHARACTERS):
        raise BadHead("its target is no path")
    path, raw_path, query = _target(target)
    return method.decode("ascii"), path, raw_path, query, number


def _frame(head: RequestHead, framing: list[Field]) -> None:
    """Note where the body ends and whether something may follow it."""
    hosts = 0
    length: bytes | None = None
    transfer: bytes | None = None
    for name, value in framing:
        if name == b"host":
            hosts += 1
            if len(value) > _LONGEST_HOST or not _is_host(value):
                raise BadHead("its Host is no host")
        elif name == b"content-length":
            if length is not None:
                raise BadHead("it has more than one Content-Length")
            if not value.isdigit() or len(value) > _MAX_LENGTH_DIGITS:
                raise BadHead("its Content-Length is no number of bytes")
            length = value
        elif name == b"transfer-encoding":
            transfer = value if transfer is None else transfer + b", " + value
        elif name == b"connection":
            if b"close" in _list_of(value):
                head.keep_alive = False
        elif name == b"expect":
            head.expects_continue = head.version == "1.1" and value.lower() == b"100-continue"
        else:
            coding = value.lower()
            head.content_encoding = (
                head.content_encoding + b", " + coding if head.content_encoding else coding
            )
    if hosts != 1 and (hosts or head.version == "1.1"):
        raise BadHead("it must have exactly one Host")
    if transfer is not None:
        if length is not None:
            raise BadHead("it has both Content-Length and Transfer-Encoding")
        if head.version == "1.0":
            raise BadHead("HTTP/1.0 has no Transfer-Encoding")
        if transfer.lower() != b"chunked":
            raise BadHead("its Transfer-Encoding is not `chunked`, alone", 501)
        head.chunked = True
    elif length is not None:
        head.length = int(length)


def _list_of(value: bytes) -> list[bytes]:
    return [each.strip(b" \t") for each in value.lower().split(b",")]


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _target(target: bytes) -> tuple[str, bytes, bytes]:
    """Return a target's path, decoded and as it came, and its query."""
    try:
        parsed: Any = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        raise BadHead("its target is no path") from None
    raw_path: bytes = parsed.path or b"/"
    return unquote(raw_path.decode("ascii")), raw_path, parsed.query or b""
