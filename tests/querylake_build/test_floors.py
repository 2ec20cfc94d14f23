"""Imports inside a package go down its floors, and never in a circle."""

from __future__ import annotations

from pathlib import Path

import pytest

from querylake_build.boundaries.floors import check_floors
from querylake_build.boundaries.policy import Floors, Policy, TestTools

FLOORS = Floors(("main", "*.commands", "upper", "lower.attic", "lower", "ground"))
POLICY = Policy(
    distributions=(),
    modules=frozenset(),
    light_locks=(),
    test_tools=TestTools("tools/pytest", ("hypothesis",), frozenset({"hypothesis"}), (), ()),
    shared=frozenset(),
    wrappers={},
    floors={"house": FLOORS},
)


def violations(repository: Path, **modules: str) -> list[str]:
    """Return what is wrong with a package whose modules (`upper__door`) hold these lines."""
    for name, text in {"upper": "", "lower": "", **modules}.items():
        parts = name.split("__")
        file = repository.joinpath("src", "python", "house", *parts).with_suffix(".py")
        if len(parts) == 1 and name in ("upper", "lower"):
            file = file.with_suffix("") / "__init__.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return [violation.says for violation in check_floors(repository, POLICY)[0]]


def test_an_import_may_go_down_and_stay_in_its_room(tmp_path: Path) -> None:
    assert not violations(
        tmp_path,
        upper__door="from house.lower import cellar\nfrom house.upper.window import pane\n",
        upper__window="import house.ground\n",
        lower__cellar="",
        ground="",
    )


@pytest.mark.parametrize(
    "line",
    [
        "from house.upper import door",
        "from house.upper.door import handle",
        "import house.upper.door",
        "import os, house.upper.door",
        "if TYPE_CHECKING:\n    from house.upper.door import handle",
        "def late():\n    from house.upper.door import handle",
    ],
)
def test_no_form_of_import_may_go_up(tmp_path: Path, line: str) -> None:
    assert violations(tmp_path, upper__door="handle = 1", lower__cellar=line) == [
        "lower imports upper.door, which stands above it"
    ]


def test_a_wildcard_stands_where_it_is_listed_and_not_in_its_folder(tmp_path: Path) -> None:
    assert violations(
        tmp_path,
        lower__commands="import house.upper.door",
        upper__door="import house.lower.commands",
    ) == [
        "modules import in a circle: lower.commands -> upper.door -> lower.commands",
        "upper imports lower.commands, which stands above it",
    ]


def test_a_room_inside_a_room_has_a_place_of_its_own(tmp_path: Path) -> None:
    assert not violations(tmp_path, lower__attic__box="import house.lower.cellar", lower__cellar="")
    assert violations(
        tmp_path, lower__attic__box="", lower__cellar="from house.lower.attic import box"
    ) == ["lower imports lower.attic.box, which stands above it"]


def test_a_loose_file_is_in_no_room(tmp_path: Path) -> None:
    assert violations(tmp_path, helpers="") == [
        "helpers is in no room that boundaries.toml lists for house"
    ]


def test_a_circle_is_one_in_a_package_without_floors_too(tmp_path: Path) -> None:
    other = tmp_path / "src" / "python" / "shed"
    other.mkdir(parents=True)
    (other / "spade.py").write_text("import shed.rake\n", encoding="utf-8")
    (other / "rake.py").write_text("from shed.spade import handle\n", encoding="utf-8")
    [says] = violations(tmp_path)
    assert says.startswith("modules import in a circle: ")
