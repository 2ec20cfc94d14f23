"""The form of keys, and what is kept of them."""

from __future__ import annotations

import hashlib
import re

from hypothesis import given
from hypothesis import strategies as st

from querylake_api.keys.authentication import presented_key
from querylake_api.keys.secret import generate_id, generate_key, hash_key, hint


def test_keys_have_the_form_that_clients_expect() -> None:
    keys = {generate_key() for _ in range(500)}
    assert len(keys) == 500
    assert all(re.fullmatch(r"sk-[0-9A-Za-z]{48}", key) for key in keys)


def test_every_character_is_used() -> None:
    assert len(set("".join(generate_key()[3:] for _ in range(500)))) == 62


def test_ids_are_no_keys() -> None:
    assert re.fullmatch(r"key_[0-9A-Za-z]{16}", generate_id())


def test_the_hash_is_sha256_of_the_whole_key() -> None:
    # The same as existing deployments store, so that their keys go on working.
    assert hash_key("sk-abc") == hashlib.sha256(b"sk-abc").hexdigest()


def test_the_hint_shows_four_characters() -> None:
    assert hint("sk-" + "a" * 44 + "wxyz") == "sk-...wxyz"


_TOKENS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


@given(_TOKENS, st.sampled_from([b"Bearer ", b"bearer ", b"BEARER   "]))
def test_a_bearer_token_comes_out_as_it_went_in(token: str, scheme: bytes) -> None:
    headers = [(b"x-api-key", b"another"), (b"authorization", scheme + token.encode())]
    assert presented_key(headers) == token


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key"]), st.binary())))
def test_no_header_breaks_authentication(headers: list[tuple[bytes, bytes]]) -> None:
    key = presented_key(headers)
    assert key is None or key.encode("latin-1").strip()


def test_the_api_key_header_is_the_alternative() -> None:
    assert presented_key([(b"x-api-key", b" sk-1 ")]) == "sk-1"
    assert presented_key([(b"authorization", b"Basic dTpw"), (b"x-api-key", b"sk-1")]) == "sk-1"
    assert presented_key([(b"authorization", b"Bearer ")]) is None
