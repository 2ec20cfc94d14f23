"""Two engines' OpenAPI documents: what changed, and whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.contract import (
    Change,
    NotAContract,
    compare_contracts,
    contract_of,
    crossed_with_census,
)

CHAT = "/v1/chat/completions"


def document(properties: dict[str, Any], *, more_paths: dict[str, Any] | None = None) -> Any:
    """Return an OpenAPI document as FastAPI writes it: the body is a reference to a schema."""
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Chat"}}}}
    return {
        "paths": {CHAT: {"post": {"requestBody": body}}, **(more_paths or {})},
        "components": {
            "schemas": {
                "Chat": {"type": "object", "properties": properties},
                "Options": {"type": "object", "properties": {"json": {"type": "object"}}},
            }
        },
    }


def changes(old: Any, new: Any) -> list[Change]:
    return compare_contracts(contract_of(old), contract_of(new))


def test_a_field_that_is_gone_names_its_successor() -> None:
    old = document({"guided_json": {"type": "object"}})
    new = document({"structured_outputs": {"$ref": "#/components/schemas/Options"}})
    gone, added = changes(old, new)
    assert (gone.kind, gone.field, gone.successor) == (
        "field gone",
        "guided_json",
        "structured_outputs.json",
    )
    assert (added.kind, added.field) == ("field new", "structured_outputs")


@pytest.mark.parametrize(
    ("old", "new", "kind", "was", "now"),
    [
        ({"type": "integer"}, {"type": "string"}, "type changed", "integer", "string"),
        (
            {"anyOf": [{"type": "string"}, {"type": "array"}]},
            {"type": "string"},
            "type changed",
            "array, string",
            "string",
        ),
        (
            {"type": "string", "enum": ["auto", "none"]},
            {"type": "string", "enum": ["auto"]},
            "values gone",
            "none",
            "auto",
        ),
        ({"type": "string"}, {"type": "string", "const": "a"}, "values gone", "any text", "a"),
        (
            {"type": "number", "default": 1.0},
            {"type": "number", "default": 0.7},
            "default changed",
            "1.0",
            "0.7",
        ),
    ],
)
def test_what_changed_in_a_field(old: Any, new: Any, kind: str, was: str, now: str) -> None:
    [change] = changes(document({"x": old}), document({"x": new}))
    assert (change.kind, change.old, change.new) == (kind, was, now)


def test_more_types_null_and_more_values_take_whatever_was_taken() -> None:
    old = {"type": "string", "enum": ["auto"]}
    new = {
        "anyOf": [
            {"type": "string", "enum": ["auto", "none"]},
            {"type": "null"},
            {"type": "object"},
        ]
    }
    assert changes(document({"x": old}), document({"x": new})) == []


def test_fields_inside_lists_and_routes() -> None:
    def message(name: str) -> Any:
        items = {"type": "object", "properties": {name: {"type": "string"}}}
        return {"messages": {"type": "array", "items": items}}

    extra: dict[str, Any] = {"/v1/other": {"post": {}}}
    found = changes(
        document(message("reasoning_content")), document(message("reasoning"), more_paths=extra)
    )
    assert [(each.kind, each.field) for each in found] == [
        ("route new", ""),
        ("field new", "messages[].reasoning"),
        ("field gone", "messages[].reasoning_content"),
    ]
    assert found[2].successor == "messages[].reasoning"


def test_only_what_is_sent_hurts() -> None:
    old, new = document({"a": {}, "b": {}}), document({})
    census = {CHAT: {"a": 12, "messages": 40, "nvext": 3}}
    crossed = crossed_with_census(changes(old, new), census, contract_of(new))
    told = {change.field: (change.sent, change.hurts) for change in crossed}
    assert told == {"a": (12, True), "b": (0, False), "messages": (40, True), "nvext": (3, True)}
    assert "sent by 12 requests" in crossed[0].sentence()


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    tree = document({"x": {"$ref": "#/components/schemas/Tree"}})
    tree["components"]["schemas"]["Tree"] = {
        "properties": {"child": {"$ref": "#/components/schemas/Tree"}}
    }
    fields = contract_of(tree).routes[CHAT]
    assert "x.child" in fields
    loop = document({"x": {"$ref": "#/components/schemas/Loop"}})
    loop["components"]["schemas"]["Loop"] = {"anyOf": [{"$ref": "#/components/schemas/Loop"}]}
    assert contract_of(loop).routes[CHAT]["x"].types == frozenset()


def test_what_is_no_contract_is_refused() -> None:
    with pytest.raises(NotAContract, match="'paths'"):
        contract_of({"detail": "Not Found"})


_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "array", "object"])
_SCHEMAS = st.recursive(
    st.fixed_dictionaries({}, optional={"type": _TYPES, "default": st.integers(0, 3)}),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda properties: {"type": "object", "properties": properties},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
    ),
    max_leaves=8,
)
_PROPERTIES = st.dictionaries(st.sampled_from("uvwxyz"), _SCHEMAS, max_size=5)


@given(_PROPERTIES)
def test_a_contract_does_not_differ_from_itself(properties: dict[str, Any]) -> None:
    assert changes(document(properties), document(properties)) == []


@given(_PROPERTIES, _PROPERTIES)
def test_what_is_gone_one_way_is_new_the_other_way(
    left: dict[str, Any], right: dict[str, Any]
) -> None:
    there, back = changes(document(left), document(right)), changes(document(right), document(left))
    gone = {each.field for each in there if each.kind == "field gone"}
    assert gone == {each.field for each in back if each.kind == "field new"}
