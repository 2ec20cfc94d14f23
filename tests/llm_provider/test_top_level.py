"""Places of top-level values, found in steps of any size."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from llm_provider.model_rewrite import model_spans, value_spans
from llm_provider.top_level import STEP_BYTES, STEP_MARKS, TopLevelScan

KEYS = st.sampled_from(["model", "stream_options", "documents", "a", 'm"o', "mod\\"])
TEXTS = st.one_of(KEYS, st.text(st.sampled_from('a"\\{}[]:,é \n'), max_size=8))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(KEYS, TEXTS), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.lists(st.tuples(st.one_of(KEYS, TEXTS), VALUES, st.booleans()), max_size=6)


def written(members: list[tuple[str, object, bool]], blank: str) -> bytes:
    """Return an object with keys that may repeat and may be spelt with escapes."""
    parts = []
    for key, value, escaped in members:
        name = "".join(f"\\u{ord(c):04x}" for c in key) if escaped else json.dumps(key)[1:-1]
        text = json.dumps(value, separators=(f"{blank},", f"{blank}: "))
        parts.append(f'{blank}"{name}"{blank}:{blank}{text}{blank}')
    return f"{blank}{{{','.join(parts)}}}{blank}".encode()


def places(document: bytes, most_bytes: int, most_marks: int) -> dict[str, list[tuple[int, int]]]:
    """Walk through a document in steps."""
    scan = TopLevelScan(document, ("model", "stream_options", "documents"))
    steps = 1
    while scan.step(most_bytes, most_marks):
        steps += 1
        assert steps <= 3 * len(document) + 3
    return scan.places


@given(MEMBERS, st.sampled_from(["", " ", "\n\t "]), st.integers(2, 50), st.integers(1, 9))
def test_steps_find_what_a_walk_finds(
    members: list[tuple[str, object, bool]], blank: str, most_bytes: int, most_marks: int
) -> None:
    document = written(members, blank)
    found = places(document, most_bytes, most_marks)
    assert [span for span in found["model"] if document.startswith(b'"', span[0])] == model_spans(
        document
    )
    for key in ("stream_options", "documents"):
        values = [json.loads(document[start:end]) for start, end in found[key]]
        assert values == [value for name, value, _ in members if name == key]
        assert [
            span for span in found[key] if document.startswith((b"{", b"[", b"null"), span[0])
        ] == value_spans(document, key)


@given(st.binary(max_size=60), st.integers(2, 9), st.integers(1, 9))
def test_bytes_that_are_no_json_come_to_an_end(
    content: bytes, most_bytes: int, most_marks: int
) -> None:
    places(content, most_bytes, most_marks)
    places(b'{"model":"' + content, most_bytes, most_marks)


def test_a_step_takes_no_more_than_its_share() -> None:
    size = 3_000_000
    for value in (
        b'"' + b"A" * size + b'"',
        b'"' + b'\\"' * (size // 2) + b'"',
        b" " * size + b"1",
        b"[" + b"1," * (size // 2) + b"1]",
    ):
        document = b'{"a":' + value + b',"model":"m"}'
        scan = TopLevelScan(document, ("model",))
        steps = 1
        while scan.step():
            steps += 1
        assert steps >= min(size // STEP_BYTES, size // 2 // STEP_MARKS)
        assert [document[a:b] for a, b in scan.places["model"]] == [b'"m"']
