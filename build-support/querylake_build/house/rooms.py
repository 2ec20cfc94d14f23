"""The rooms of one package: how they stand above each other, and where they import in circles."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from querylake_build.boundaries.floors import Arrow, House
from querylake_build.boundaries.policy import Floors

_LOOSE_ALLOWED = frozenset({"", "__main__"})

_FACES = frozenset({"__main__", "cli", "commands", "endpoints"})
"""Last names of modules that a person or a client calls. They lie in the folder of their subject
and stand above it: what they import is counted in no room."""


@dataclass(frozen=True)
class Plan:
    """The rooms of a package and the imports between them.

    Attributes:
        rooms: in the order in which they stand, from the top down.
        floors: how many floors they need when each stands above all that it imports; rooms that
            import each other in a circle share one.
        circle: how many rooms import each other in the largest circle; 0 if there is none.
        upward: imports that run against the order.
        loose: modules at the package's root besides `__init__` and `__main__`.
    """

    rooms: tuple[str, ...]
    floors: int
    circle: int
    upward: int
    loose: int


def declared_floors(repository: Path, package: str) -> tuple[tuple[str, ...], ...]:
    """Return the floors that boundaries.toml lists for a package; empty if it lists none."""
    text = (repository / "build-support" / "boundaries.toml").read_text(encoding="utf-8")
    floors = tomllib.loads(text).get("floors", {}).get(package, [])
    return tuple(tuple(floor) for floor in floors)


def plan_by_folder(house: House) -> Plan:
    """Return the plan in which each folder, and each module at the root, is a room.

    Faces are left out: they would tie the folder they lie in to whatever they present.
    No order is written for it, so its rooms stand in the order that the fewest imports run against,
    as far as a search from one neighbour to the next finds it.
    """
    arrows = _between(house, _folder_of)
    rooms = sorted({_folder_of(module) for module in house.files} - {""})
    circles = _circles(rooms, arrows)
    order = tuple(room for circle in circles for room in _least_upward(circle, arrows))
    return _plan(house, order, arrows, _depth(circles, arrows))


def plan_as_declared(house: House, floors: tuple[tuple[str, ...], ...]) -> Plan:
    """Return the plan of a package whose floors are written in boundaries.toml."""
    rooms = tuple(room for floor in floors for room in floor)
    arrows = _between(house, Floors(rooms).room)
    return _plan(house, rooms, arrows, len(floors))


def _plan(
    house: House, order: tuple[str, ...], arrows: Mapping[tuple[str, str], int], floors: int
) -> Plan:
    circles = _circles(order, arrows)
    largest = max((len(circle) for circle in circles), default=0)
    return Plan(
        rooms=order,
        floors=floors,
        circle=largest if largest > 1 else 0,
        upward=_upward(order, arrows),
        loose=sum("." not in module for module in _modules(house)),
    )


def _modules(house: House) -> Iterator[str]:
    """Yield the modules at the root that are files, and those in folders."""
    for module, file in house.files.items():
        if module not in _LOOSE_ALLOWED and not (file.name == "__init__.py" and "." not in module):
            yield module


def _folder_of(module: str) -> str:
    return "" if module.rpartition(".")[2] in _FACES else module.partition(".")[0]


def _between(house: House, room_of: Callable[[str], str]) -> dict[tuple[str, str], int]:
    """Count the imports from one room to another one."""
    counts: dict[tuple[str, str], int] = {}
    for arrow in house.arrows:
        ends = _ends(arrow, room_of)
        if ends is not None:
            counts[ends] = counts.get(ends, 0) + 1
    return counts


def _ends(arrow: Arrow, room_of: Callable[[str], str]) -> tuple[str, str] | None:
    source, target = room_of(arrow.source), room_of(arrow.target)
    if source == target or not (source and target):
        return None
    return source, target


def _circles(
    rooms: list[str] | tuple[str, ...], arrows: Mapping[tuple[str, str], int]
) -> list[list[str]]:
    """Return the rooms in groups that import each other, importers first (Tarjan, 1972)."""
    targets: dict[str, list[str]] = {room: [] for room in rooms}
    for source, target in sorted(arrows):
        targets[source].append(target)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(room: str) -> None:
        index[room] = low[room] = len(index)
        path.append(room)
        for target in targets[room]:
            if target not in index:
                visit(target)
            if target in path:
                low[room] = min(low[room], low[target])
        if low[room] == index[room]:
            start = path.index(room)
            found.append(path[start:])
            del path[start:]

    for room in rooms:
        if room not in index:
            visit(room)
    return found[::-1]


def _depth(circles: list[list[str]], arrows: Mapping[tuple[str, str], int]) -> int:
    """Return the number of groups on the longest way down."""
    group = {room: number for number, circle in enumerate(circles) for room in circle}
    depth = [1] * len(circles)
    # Importers come first, so the depth of a group's targets is known when it is looked at last.
    for number in reversed(range(len(circles))):
        below = [
            depth[group[target]]
            for source, target in arrows
            if group[source] == number and group[target] != number
        ]
        depth[number] = 1 + max(below, default=0)
    return max(depth, default=0)


def _least_upward(circle: list[str], arrows: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the rooms of a circle in an order with few imports that run up.

    To find the very fewest is hard (a minimum feedback arc set). Here each room is moved to where
    it does best, until no move helps.
    """
    order = list(circle)
    best = _upward(order, arrows)
    improved = True
    while improved and best:
        improved = False
        for room in circle:
            others = [each for each in order if each != room]
            for place in range(len(order)):
                tried = [*others[:place], room, *others[place:]]
                count = _upward(tried, arrows)
                if count < best:
                    order, best, improved = tried, count, True
    return order


def _upward(order: list[str] | tuple[str, ...], arrows: Mapping[tuple[str, str], int]) -> int:
    place = {room: number for number, room in enumerate(order)}
    return sum(
        count
        for (source, target), count in arrows.items()
        if source in place and target in place and place[target] < place[source]
    )
