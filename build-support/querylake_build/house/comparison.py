"""The figures of one revision, and two of them side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from querylake_build.boundaries.floors import read_house
from querylake_build.house.blackboard import Blackboard, largest_blackboard
from querylake_build.house.ledger_fields import FieldSpread, spread_of_fields
from querylake_build.house.request_path import RequestPath, trace_request_path
from querylake_build.house.rooms import Plan, declared_floors, plan_as_declared, plan_by_folder
from querylake_build.house.sizes import (
    Lengths,
    comments_in_1000_lines,
    count_tests,
    function_lengths,
    module_lengths,
    sources,
)

_API = "querylake_api"


@dataclass(frozen=True)
class Figures:
    """What is measured of a revision.

    Attributes:
        by_folder: the API, when each of its folders and loose modules is a room.
        declared: the API by the floors of boundaries.toml; None where it has none.
        path: the way of a streamed chat; None where it was not traced.
    """

    by_folder: Plan
    declared: Plan | None
    path: RequestPath | None
    blackboard: Blackboard
    ledger: FieldSpread
    functions: Lengths
    modules: Lengths
    comments: int
    tests: int


def measure(repository: Path, python: Path | None = None) -> Figures:
    """Return the figures of the files below a folder.

    Args:
        repository: the folder, with `src/python`, `tests` and `build-support`.
        python: an interpreter that can serve the API; None leaves the way of a chat out.

    Raises:
        TraceError: the API did not serve a chat.
    """
    root = repository / "src" / "python"
    files = sources(root)
    house = read_house(root / _API)
    floors = declared_floors(repository, _API)
    return Figures(
        by_folder=plan_by_folder(house),
        declared=plan_as_declared(house, floors) if floors else None,
        path=trace_request_path(root, python) if python is not None else None,
        blackboard=largest_blackboard(sources(root / _API)),
        ledger=spread_of_fields(root / _API),
        functions=function_lengths(files),
        modules=module_lengths(files),
        comments=comments_in_1000_lines(files),
        tests=count_tests(repository / "tests"),
    )


_ROWS: tuple[tuple[str, Callable[[Figures], object]], ...] = (
    ("rooms of the API: folders and loose files", lambda f: len(f.by_folder.rooms)),
    ("loose files at its root", lambda f: f.by_folder.loose),
    ("rooms in the largest circle, by folder", lambda f: f.by_folder.circle),
    ("imports that tie the circles, by folder", lambda f: f.by_folder.upward),
    ("floors, by folder", lambda f: f.by_folder.floors),
    ("floors, as declared", lambda f: f.declared.floors if f.declared else None),
    ("imports that run up, as declared", lambda f: f.declared.upward if f.declared else None),
    ("rooms in a circle, as declared", lambda f: f.declared.circle if f.declared else None),
    ("files on the way of a streamed chat", lambda f: f.path.files if f.path else None),
    ("lines of these files", lambda f: f.path.lines if f.path else None),
    (
        "attributes of the largest object that several modules write",
        lambda f: (
            f"{f.blackboard.attributes} (`{f.blackboard.name}`)" if f.blackboard.name else None
        ),
    ),
    ("modules that write it besides its own", lambda f: f.blackboard.writers),
    (
        "files that name a field of the ledger, fewest / median",
        lambda f: f"{f.ledger.fewest} / {f.ledger.median}",
    ),
    ("functions, median / p90 / longest, in lines", lambda f: _shown(f.functions)),
    ("modules, median / p90 / longest, in lines", lambda f: _shown(f.modules)),
    ("lines with a comment, of 1,000", lambda f: f.comments),
    ("test functions", lambda f: f"{f.tests:,}"),
)


def rendered(columns: Mapping[str, Figures]) -> str:
    """Return the figures of several revisions, by their titles, as a table in Markdown."""
    head = ["| |", *(f" {title} |" for title in columns)]
    rule = ["|---|", *("---|" for _ in columns)]
    rows = [
        [f"| {title} |", *(f" {_cell(figure(each))} |" for each in columns.values())]
        for title, figure in _ROWS
    ]
    return "\n".join("".join(line) for line in [head, rule, *rows])


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _shown(lengths: Lengths) -> str:
    return f"{lengths.median} / {lengths.p90} / {lengths.longest}"
