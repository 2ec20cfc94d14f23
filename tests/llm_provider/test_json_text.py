"""What is read is written again, at any depth, also where orjson would not."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.json_text import MAX_DEPTH, read_json, reason, write_json

_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_values)
def test_a_deep_value_is_written_as_any_other(value: Any) -> None:
    deep: Any = value
    for level in range(300):
        deep = [deep] if level % 2 else {"a": deep, "b": level}
    with pytest.raises(orjson.JSONEncodeError):
        orjson.dumps(deep)
    assert read_json(write_json(deep)) == deep
    assert read_json(write_json(value)) == value


@pytest.mark.parametrize("depth", [254, 255, 1000, MAX_DEPTH])
def test_what_is_read_is_written(depth: int) -> None:
    text = b"[" * depth + b"]" * depth
    assert write_json(read_json(text)) == text


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_what_is_deeper_is_not_read(depth: int) -> None:
    with pytest.raises(ValueError, match="(?i)recursion|deeper"):
        read_json(b"[" * depth + b"]" * depth)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_refusal_names_the_limit_of_depth(opening: bytes, closing: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError) as caught:
        orjson.loads(opening * (MAX_DEPTH + 1) + b"1" + closing * (MAX_DEPTH + 1))
    assert str(MAX_DEPTH) in reason(caught.value)
    with pytest.raises(orjson.JSONDecodeError) as caught:
        orjson.loads(opening + b"x")
    assert reason(caught.value) == str(caught.value)


@pytest.mark.parametrize("half", [chr(0xD83D), chr(0xDE00) + "a"])
def test_half_a_surrogate_pair_is_read_and_written(half: str) -> None:
    text = json.dumps({"t": half}).encode()
    assert read_json(text) == {"t": half}
    assert read_json(write_json({half: [half]})) == {half: [half]}


@given(st.binary(max_size=40))
def test_whatever_comes_is_read_or_refused(text: bytes) -> None:
    try:
        read_json(text)
    except ValueError:
        return
