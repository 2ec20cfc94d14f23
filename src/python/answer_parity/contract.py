"""What a caller may send: the request fields of two engines, compared by their OpenAPI documents.

Engines ignore fields that they do not know and answer 200. A field that callers send and that the
new engine no longer knows is therefore a change of answers that no status code shows.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

MAX_DEPTH = 3
"""How deep fields are followed. Below that, vLLM's schemas are those of JSON Schema itself."""

_BODIES = ("application/json",)
_METHODS = ("post", "put", "patch")

ChangeKind = Literal[
    "route gone",
    "route new",
    "field gone",
    "field new",
    "field became required",
    "type changed",
    "values gone",
    "default changed",
]

BREAKING: frozenset[ChangeKind] = frozenset(
    {"route gone", "field gone", "field became required", "type changed", "values gone"}
)
"""Changes by which a request that the old engine understood is refused, or understood otherwise."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request's body.

    Attributes:
        types: what it may be, as JSON Schema names it; empty if anything.
        values: the strings that are allowed; empty if all are.
        default: as JSON; None if there is none, or if it is null.
        required: whether the request is refused without it.
    """

    types: frozenset[str]
    values: frozenset[str]
    default: str | None
    required: bool


@dataclass(frozen=True, slots=True)
class Contract:
    """What one engine takes.

    Attributes:
        routes: by path, the fields of the request body by their dotted names; `[]` stands for the
            elements of a list.
    """

    routes: Mapping[str, Mapping[str, Field]]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts.

    Attributes:
        route: a path such as `/v1/chat/completions`.
        field: its dotted name; empty if the route itself is meant.
        old: what it was, for the reader.
        new: what it is now.
        successor: the field that does the same on the new engine, if one is known.
        sent: how many requests have sent it; None if nobody counted.
    """

    kind: ChangeKind
    route: str
    field: str = ""
    old: str = ""
    new: str = ""
    successor: str | None = None
    sent: int | None = None

    @property
    def hurts(self) -> bool:
        """Whether callers notice: a breaking change of what they send, as far as that is known."""
        return self.kind in BREAKING and (self.sent is None or self.sent > 0)

    def sentence(self) -> str:
        """Return the change in words, with what to do."""
        what = f"{self.route}: {self.field}" if self.field else self.route
        says = f"{what}: {self.kind}"
        if self.old or self.new:
            says += f" ({self.old or 'nothing'} -> {self.new or 'nothing'})"
        if self.sent is not None:
            says += f"; sent by {self.sent} requests" if self.sent else "; sent by nobody"
        if self.successor is not None:
            says += f"; the new engine calls it {self.successor}"
        return says


@dataclass(frozen=True, slots=True)
class Rename:
    """A field that engines have renamed.

    Attributes:
        routes: where; the end of a path is enough.
        old: its former dotted name.
        new: what it is called now.
        since: the release of vLLM that no longer knows the old name.
    """

    routes: tuple[str, ...]
    old: str
    new: str
    since: str


GENERATION = ("/chat/completions", "/completions")

RENAMES = (
    Rename(GENERATION, "guided_json", "structured_outputs.json", "0.12"),
    Rename(GENERATION, "guided_regex", "structured_outputs.regex", "0.12"),
    Rename(GENERATION, "guided_choice", "structured_outputs.choice", "0.12"),
    Rename(GENERATION, "guided_grammar", "structured_outputs.grammar", "0.12"),
    Rename(
        GENERATION, "guided_whitespace_pattern", "structured_outputs.whitespace_pattern", "0.12"
    ),
    Rename(("/chat/completions",), "messages[].reasoning_content", "messages[].reasoning", "0.16"),
    Rename(("/chat/completions",), "functions", "tools", "never supported"),
)
"""Known renames, of request fields that are ignored with status 200 under their former name."""


class NotAContract(ValueError):
    """A document is no OpenAPI document; the message says what it lacks."""


def contract_of(document: Mapping[str, Any]) -> Contract:
    """Read an OpenAPI document.

    Raises:
        NotAContract: it has no paths.
    """
    paths = document.get("paths")
    if not isinstance(paths, Mapping):
        raise NotAContract("it has no 'paths'; an OpenAPI document has")
    routes: dict[str, Mapping[str, Field]] = {}
    for path, operations in paths.items():
        for method in _METHODS:
            operation = operations.get(method) if isinstance(operations, Mapping) else None
            if isinstance(operation, Mapping):
                routes[path] = dict(_fields(document, _body_schema(operation)))
    return Contract(routes)


def compare_contracts(old: Contract, new: Contract) -> list[Change]:
    """Return every difference, routes first, in the order of the paths."""
    changes: list[Change] = []
    for route in sorted(old.routes.keys() | new.routes.keys()):
        before, after = old.routes.get(route), new.routes.get(route)
        if before is None:
            changes.append(Change("route new", route))
        elif after is None:
            changes.append(Change("route gone", route))
        else:
            changes += _field_changes(route, before, after)
    return sorted(changes, key=lambda change: (change.field != "", change.route, change.field))


def crossed_with_census(
    changes: Sequence[Change], census: Mapping[str, Mapping[str, int]], contract: Contract
) -> list[Change]:
    """Return the changes with how many requests each concerns, and fields that nobody declares.

    Args:
        changes: of two contracts.
        census: by path and dotted name, how many requests sent the field.
        contract: the new engine's. What callers send and it does not declare is a change as well:
            the old engine took it though its document did not say so.
    """
    told = [_counted(change, census) for change in changes]
    known = {(change.route, change.field) for change in changes}
    for route, sent in sorted(census.items()):
        declared = contract.routes.get(route)
        if declared is None:
            continue
        for field, count in sorted(sent.items()):
            if field not in declared and (route, field) not in known and "." not in field:
                told.append(
                    Change(
                        "field gone",
                        route,
                        field,
                        old="sent by callers",
                        successor=successor_of(route, field, declared),
                        sent=count,
                    )
                )
    return told


def successor_of(route: str, field: str, declared: Mapping[str, Field]) -> str | None:
    """Return the new name of a field that was renamed, if the new engine declares it."""
    for rename in RENAMES:
        if rename.old == field and route.endswith(rename.routes):
            parent = rename.new.partition(".")[0]
            if rename.new in declared or parent in declared:
                return rename.new
    return None


def _counted(change: Change, census: Mapping[str, Mapping[str, int]]) -> Change:
    sent = census.get(change.route)
    if sent is None:
        return change
    count = sent.get(change.field, 0) if change.field else sum(sent.values())
    return Change(
        change.kind,
        change.route,
        change.field,
        change.old,
        change.new,
        change.successor,
        count,
    )


def _field_changes(
    route: str, before: Mapping[str, Field], after: Mapping[str, Field]
) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None and new is not None:
            kind: ChangeKind = "field became required" if new.required else "field new"
            # What lies inside a new field is new with it.
            if not _parents(name) & (after.keys() - before.keys()):
                yield Change(kind, route, name)
        elif new is None:
            if not _parents(name) & (before.keys() - after.keys()):
                yield Change("field gone", route, name, successor=successor_of(route, name, after))
        elif old is not None:
            yield from _changed(route, name, old, new)


def _changed(route: str, name: str, old: Field, new: Field) -> Iterator[Change]:
    if new.required and not old.required:
        yield Change("field became required", route, name)
    # Fewer types, or others; more of them take whatever was taken before.
    if new.types and not old.types <= new.types:
        yield Change("type changed", route, name, _listed(old.types), _listed(new.types))
    if new.values and not (old.values and old.values <= new.values):
        gone = old.values - new.values if old.values else frozenset({"any text"})
        yield Change("values gone", route, name, _listed(gone), _listed(new.values))
    if old.default != new.default:
        yield Change("default changed", route, name, old.default or "null", new.default or "null")


def _parents(name: str) -> set[str]:
    """Return the dotted names of what a field lies in, with and without the mark of a list."""
    parts = name.split(".")
    whole = {".".join(parts[:end]) for end in range(1, len(parts))}
    return whole | {each.removesuffix("[]") for each in whole}


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)) or "anything"


def _body_schema(operation: Mapping[str, Any]) -> Mapping[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    for kind in _BODIES:
        if kind in content:
            schema = content[kind].get("schema", {})
            return schema if isinstance(schema, Mapping) else {}
    return {}


def _fields(
    document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, Field]]:
    """Yield the fields of a schema and of what lies in it, by dotted name."""
    for part in _alternatives(document, schema):
        required = part.get("required", ())
        properties = part.get("properties", {})
        if not isinstance(properties, Mapping):
            continue
        for name, inner in properties.items():
            full = f"{prefix}{name}"
            yield full, _field(document, inner, required=name in required and not prefix)
            if depth + 1 < MAX_DEPTH:
                yield from _fields(document, inner, f"{full}.", depth + 1)
                for element in _elements(document, inner):
                    yield from _fields(document, element, f"{full}[].", depth + 1)


def _field(document: Mapping[str, Any], schema: Mapping[str, Any], *, required: bool) -> Field:
    types: set[str] = set()
    values: set[str] = set()
    open_text = False
    for part in _alternatives(document, schema):
        kinds = part.get("type")
        names = kinds if isinstance(kinds, list) else [kinds] if kinds else []
        types |= {str(name) for name in names if name != "null"}
        listed = part.get("enum", [part["const"]] if "const" in part else None)
        if listed is not None:
            values |= {str(value) for value in listed if value is not None}
        elif "string" in names:
            open_text = True
    default = schema.get("default")
    return Field(
        types=frozenset(types),
        values=frozenset() if open_text else frozenset(values),
        default=None if default is None else json.dumps(default, sort_keys=True),
        required=required,
    )


def _elements(
    document: Mapping[str, Any], schema: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    for part in _alternatives(document, schema):
        items = part.get("items")
        if isinstance(items, Mapping):
            yield items


def _alternatives(
    document: Mapping[str, Any], schema: Mapping[str, Any], seen: frozenset[str] = frozenset()
) -> Iterator[Mapping[str, Any]]:
    """Yield what a schema may be, references followed, without the ways that it is put together."""
    reference = schema.get("$ref")
    if isinstance(reference, str):
        if reference not in seen:
            target = _resolved(document, reference)
            yield from _alternatives(document, target, seen | {reference})
        return
    combined = [part for way in ("anyOf", "oneOf", "allOf") for part in schema.get(way, ())]
    if not combined:
        yield schema
        return
    if schema.get("properties"):
        yield {key: schema[key] for key in ("properties", "required") if key in schema}
    for part in combined:
        if isinstance(part, Mapping):
            yield from _alternatives(document, part, seen)


def _resolved(document: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place.get(step.replace("~1", "/").replace("~0", "~"), {}) if place else {}
    return place if isinstance(place, Mapping) else {}
