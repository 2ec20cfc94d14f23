"""The rooms of `rollouts` import downwards only, as the package's docstring says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

PACKAGE = "querylake_api.rollouts"
BELOW: dict[str, set[str]] = {
    "records": set(),
    "judging": {"records"},
    "routing": {"records"},
    "control": {"judging", "records", "routing"},
}


def imported_rooms(module: Path) -> Iterator[str]:
    """Yield what a module imports of `rollouts`: a room, or a face beside the rooms."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            below = (node.module or "").removeprefix(PACKAGE).strip(".")
            yield from [below.partition(".")[0]] if below else [name.name for name in node.names]


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_itself_and_what_is_below(room: str) -> None:
    folder = resources.files(PACKAGE).joinpath(room)
    modules = [Path(str(each)) for each in folder.iterdir() if each.name.endswith(".py")]
    assert len(modules) > 1
    upwards = {
        (module.name, imported)
        for module in modules
        for imported in imported_rooms(module)
        if imported not in {room, *BELOW[room]}
    }
    assert not upwards
