"""Responses that a grammar has formed, read in whatever pieces they come."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cpu_runtime.inference.calls.reader import ResponseReader

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
CALLS = st.lists(
    st.tuples(st.text(min_size=1), st.dictionaries(st.text(), VALUES, max_size=3) | VALUES),
    min_size=1,
    max_size=3,
)


def pieces_of(data: st.DataObject, text: str) -> list[str]:
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12).map(sorted))
    ends = [0, *cuts, len(text)]
    return [text[begin:end] for begin, end in pairwise(ends)]


def read(pieces: list[str]) -> tuple[str, list[dict[str, Any]], ResponseReader]:
    """Put together what a client of a stream would."""
    reader = ResponseReader()
    content, calls = "", list[dict[str, Any]]()
    for piece in pieces:
        for delta in reader.feed(piece):
            content += delta.get("content", "")
            for call in delta.get("tool_calls", ()):
                if "id" in call:
                    assert call["index"] == len(calls)
                    calls.append({"name": call["function"]["name"], "arguments": ""})
                calls[call["index"]]["arguments"] += call["function"]["arguments"]
    return content, calls, reader


@given(CALLS, st.sampled_from([None, 2]), st.booleans(), st.data())
def test_calls_are_what_they_are_in_any_pieces(
    calls: list[tuple[str, Any]], indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    written = [{"name": name, "arguments": arguments} for name, arguments in calls]
    text = json.dumps(written, indent=indent, ensure_ascii=ascii_only)

    content, found, reader = read(pieces_of(data, text))

    assert content == ""
    assert [(call["name"], json.loads(call["arguments"])) for call in found] == calls
    assert reader.finish_reason("stop") == "tool_calls"
    assert reader.finish_reason("length") == "length"


@given(st.text(), st.booleans(), st.data())
def test_a_text_is_what_its_json_says_in_any_pieces(
    text: str, ascii_only: bool, data: st.DataObject
) -> None:
    content, calls, reader = read(pieces_of(data, json.dumps(text, ensure_ascii=ascii_only)))

    assert (content, calls) == (text, [])
    assert reader.finish_reason("stop") == "stop"


@given(st.dictionaries(st.text(), VALUES, max_size=3), st.data())
def test_a_structured_response_passes_as_it_is(
    response: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(response, indent=1)

    assert read(pieces_of(data, text))[:2] == (text, [])


def test_a_call_that_is_cut_off_is_passed_as_far_as_it_came() -> None:
    content, calls, _ = read(['[{"name": "f", "argum', 'ents": {"a": "b'])

    assert (content, calls) == ("", [{"name": "f", "arguments": '{"a": "b'}])
