"""A connection's memory of lines changes nothing of what a head says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querylake_api.http_server.request_head import BadHead, HeadReader

FIRST_LINES = st.sampled_from(
    [
        b"POST /v1/chat/completions HTTP/1.1",
        b"GET /healthz?a=b HTTP/1.0",
        b"GET /%61 HTTP/1.1",
        b"GET / HTTP/2.0",
        b"GE T / HTTP/1.1",
        b"GET /\n HTTP/1.1",
    ]
)
LINES = st.sampled_from(
    [
        b"Host: a",
        b"host:b",
        b"Authorization: Bearer sk-1",
        b"X-Api-Key: sk-2",
        b"Content-Length: 4",
        b"content-length: x",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Connection: close",
        b"Expect: 100-continue",
        b"User-Agent: caf\xc3\xa9",
        b"Tab:\ta",
        b"Bad\x00: a",
        b"Bad: a\rb",
        b"no colon",
        b": no name",
        b"spa ce: a",
        b"Long: " + b"x" * 300,
    ]
)
HEADS = st.builds(
    lambda first, lines: b"\r\n".join([first, *lines]), FIRST_LINES, st.lists(LINES, max_size=6)
)


def said(reader: HeadReader, head: bytes) -> object:
    try:
        read = reader.read(head)
    except BadHead as error:
        return error.status, error.reason
    return (
        *(read.method, read.path, read.raw_path, read.query, read.version, read.headers),
        *(read.length, read.chunked, read.keep_alive, read.expects_continue, read.content_encoding),
    )


@given(heads=st.lists(HEADS, min_size=1, max_size=12))
def test_what_came_before_on_a_connection_changes_nothing(heads: list[bytes]) -> None:
    reader = HeadReader()
    assert [said(reader, head) for head in heads] == [said(HeadReader(), head) for head in heads]


@given(numbers=st.lists(st.integers(0, 500), min_size=200, max_size=300))
def test_lines_that_never_come_again_take_no_room(numbers: list[int]) -> None:
    reader = HeadReader()
    for number in numbers:
        reader.read(b"GET /%d HTTP/1.1\r\nHost: a\r\nX-Number: %d" % (number, number))
    assert reader.lines_kept <= 128


@pytest.mark.parametrize(
    "line",
    [b"Authorization: Bearer sk-1", b"x-api-key: sk-1", b"Cookie: sk-1", b"X: " + b"x" * 300],
)
def test_secrets_and_long_lines_are_not_kept(line: bytes) -> None:
    reader = HeadReader()
    reader.read(b"GET / HTTP/1.1\r\nHost: a\r\n" + line)
    assert reader.lines_kept == 2
