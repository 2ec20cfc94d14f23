"""What becomes of request bodies that are compressed."""

from __future__ import annotations

import gzip
import os
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querylake_api.errors import ApiError
from querylake_api.requests.content_coding import decoded

BODY = b'{"model": "m"}' * 100


def _bare(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(BODY)),
        (b"x-gzip", gzip.compress(BODY)),
        (b"deflate", zlib.compress(BODY)),
        (b"deflate", _bare(BODY)),
        (b"identity", BODY),
    ],
)
async def test_a_body_is_as_it_was_before(coding: bytes, body: bytes) -> None:
    assert await decoded(body, coding, len(BODY)) == BODY


@given(content=st.binary(max_size=2000), repeated=st.integers(0, 1000))
@settings(max_examples=50, deadline=None)
async def test_any_content_survives(content: bytes, repeated: int) -> None:
    whole = content * repeated
    assert await decoded(gzip.compress(whole), b"gzip", len(whole)) == whole
    assert await decoded(_bare(whole), b"deflate", len(whole)) == whole


@pytest.mark.parametrize(
    ("coding", "body", "status"),
    [
        (b"gzip", gzip.compress(bytes(10_000_000)), 413),
        (b"gzip", gzip.compress(BODY)[:-9], 400),
        (b"gzip", gzip.compress(BODY) * 2, 400),
        (b"gzip", BODY, 400),
        (b"deflate", os.urandom(100), 400),
        (b"br", BODY, 415),
        (b"zstd", BODY, 415),
        (b"gzip, gzip", BODY, 415),
    ],
)
async def test_what_cannot_be_decoded_is_refused(coding: bytes, body: bytes, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        await decoded(body, coding, 1_000_000)
    assert caught.value.status == status
    if status == 415:
        assert "identity" in caught.value.headers["accept-encoding"]
        assert coding.decode() in caught.value.message
