"""The model's name changes, and not one byte besides."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from llm_provider.model_rewrite import (
    StreamModelRewriter,
    model_spans,
    rewrite_request_model,
    rewrite_response_model,
)
from llm_provider.sse import EventSplitter

NEW = 'org/"näme" 漢'
NEW_JSON = orjson.dumps(NEW)

_names = st.sampled_from(["model", "mod", "Model", "model ", "a", "", '"model":', "\\", "модель"])
_texts = st.one_of(
    st.text(max_size=8), st.sampled_from(['"model": "x"', "}{][", "\\", '\\"', "model"])
)
_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), _texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=12,
)
_objects = st.dictionaries(_names, _values, max_size=5)
_writers: st.SearchStrategy[Callable[[object], str]] = st.sampled_from(
    [
        json.dumps,
        lambda value: json.dumps(value, indent=1),
        lambda value: json.dumps(value, separators=(" ,\t", "\r\n : "), ensure_ascii=False),
        lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False),
    ]
)


def documents(model: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[dict[str, object], bytes]]:
    """Objects with a top-level model at any place, and the same as JSON in some spelling."""

    def build(
        before: dict[str, object],
        name: str,
        after: dict[str, object],
        write: Callable[[object], str],
    ) -> tuple[dict[str, object], bytes]:
        whole = {**before, "model": name, **after}
        return whole, write(whole).encode()

    others = _objects.map(lambda d: {k: v for k, v in d.items() if k != "model"})
    return st.builds(build, others, model, others, _writers)


@given(documents(_texts))
def test_the_object_is_the_same_with_another_model(
    document: tuple[dict[str, object], bytes],
) -> None:
    whole, written = document
    rewritten = rewrite_request_model(written, NEW)
    assert json.loads(rewritten) == {**whole, "model": NEW}
    assert rewrite_response_model(written, NEW) == rewritten


@given(documents(st.just("the-old-one")))
def test_every_other_byte_is_the_same(document: tuple[dict[str, object], bytes]) -> None:
    _, written = document
    before, old, after = written.partition(b'"the-old-one"')
    assert old
    assert rewrite_request_model(written, NEW) == before + NEW_JSON + after


@given(_values, _writers)
def test_without_a_top_level_name_nothing_changes(
    value: object, write: Callable[[object], str]
) -> None:
    assume(not (isinstance(value, dict) and isinstance(value.get("model"), str)))
    written = write(value).encode()
    assert rewrite_request_model(written, NEW) == written


@pytest.mark.parametrize(
    "key",
    [
        '"model"',
        '"\\u006dodel"',
        '"\\u006Dodel"',
        '"m\\u006Fdel"',
        '"mode\\u006c"',
        '"\\u006d\\u006f\\u0064\\u0065\\u006c"',
    ],
)
def test_every_spelling_of_the_key_is_known(key: str) -> None:
    assert rewrite_request_model(f"{{{key} : 'x', {key} : \"old\"}}".encode(), "new") == (
        f"{{{key} : 'x', {key} : \"new\"}}".encode()
    )


@pytest.mark.parametrize("key", ['"\\u006dodels"', '"\\\\u006dodel"', '"Model"', '"model\\u0000"'])
def test_other_keys_are_not(key: str) -> None:
    document = f'{{{key}: "old"}}'.encode()
    assert rewrite_request_model(document, "new") == document


def test_all_of_several_are_replaced_so_that_no_parser_sees_an_old_one() -> None:
    document = b'{"model":"a","x":{"model":"n"},"m\\u006fdel":"b","y":["model"],"model" : "c"}'
    assert rewrite_request_model(document, "new") == (
        b'{"model":"new","x":{"model":"n"},"m\\u006fdel":"new","y":["model"],"model" : "new"}'
    )


@pytest.mark.parametrize(
    "document",
    [
        b'{"x":{"model":"old"}}',
        b'{"x":[{"model":"old"}]}',
        b'[{"model":"old"}]',
        b'{"x":"\\"model\\":\\"old\\""}',
        b'{"model":null}',
        b'{"model":{"model":"old"}}',
        b'{"model":["model","old"]}',
        b'{"x":"model","y":"old"}',
        b'"model"',
        b'"model":"old"',
        b"",
    ],
)
def test_what_is_nested_or_no_string_is_not_touched(document: bytes) -> None:
    assert rewrite_request_model(document, "new") == document


_NEARLY_JSON = st.lists(
    st.sampled_from(
        [b'"model"', b'"m\\u006fdel"', b":", b'"', b'"old"', b"{", b"}", b"[", b",", b"\\"]
    )
).map(b"".join)


@given(st.one_of(st.binary(), _NEARLY_JSON))
@example(b'{"model":"old')
def test_what_is_not_json_never_raises_and_loses_only_models(document: bytes) -> None:
    spans = model_spans(document)
    for start, end in spans:
        assert document[start : start + 1] == document[end - 1 : end] == b'"'
        assert end - start > 1
    edges = [0, *(place for span in spans for place in span), len(document)]
    assert edges == sorted(edges)
    kept = [document[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True)]
    assert rewrite_request_model(document, "new") == b'"new"'.join(kept)


def test_a_document_can_begin_late() -> None:
    document = b'{"model":"a"} {"model":"b"}'
    assert [document[a:b] for a, b in model_spans(document, 13)] == [b'"b"']


_HOSTILE: dict[str, Callable[[int], bytes]] = {
    "quotes": lambda n: b'{"model' + b'"' * n,
    "backslashes": lambda n: b'{"model":"' + b"\\" * n,
    "spaces after keys": lambda n: b'{"model"' + b" " * n,
    "strings and spaces": lambda n: b'{"model":1,' + b'"a"    ' * (n // 7),
    "brackets": lambda n: b'{"model":' + b"[" * n,
    "keys": lambda n: b"{" + b'"model":"x",' * (n // 12) + b"}",
    "escaped keys": lambda n: b"{" + b'"m\\u006fdel":"x",' * (n // 17) + b"}",
    "keys of nothing": lambda n: b"{" + b'"model":1,' * (n // 10) + b"}",
    "one escaped key of any length": lambda n: b'{"' + b"\\u006d" * (n // 6) + b'":"x"}',
    "events": lambda n: b'data: {"model":"x"}\n\n' * (n // 21),
    "lines": lambda n: b'data: "model"\n' * (n // 14) + b"\n",
    "line ends": lambda n: b'data: {"model":"x"}' + b"\r" * n,
}


@pytest.mark.parametrize("hostile", _HOSTILE.values(), ids=_HOSTILE)
def test_hostile_input_costs_linear_time(hostile: Callable[[int], bytes]) -> None:
    def seconds(size: int) -> float:
        document = hostile(size)
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            rewrite_request_model(document, "new")
            rewriter = StreamModelRewriter("new")
            for block in EventSplitter().feed(document):
                rewriter.rewrite(block)
            rewriter.rewrite(document)
            best = min(best, time.process_time() - started)
        return best

    # Sixteen times as much: quadratic would be 256 times as long, and the floor is for the clock.
    assert seconds(160_000) < 64 * max(seconds(10_000), 0.0005)
