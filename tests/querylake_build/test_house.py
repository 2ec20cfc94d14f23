"""Two revisions of a small repository, and what is said of how they are built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from querylake_build.boundaries.floors import read_house
from querylake_build.house.blackboard import Blackboard, largest_blackboard
from querylake_build.house.cli import main
from querylake_build.house.ledger_fields import FieldSpread, spread_of_fields
from querylake_build.house.request_path import TraceError, trace_request_path
from querylake_build.house.rooms import plan_as_declared, plan_by_folder
from querylake_build.house.sizes import (
    Lengths,
    comments_in_1000_lines,
    count_tests,
    function_lengths,
    sources,
)

API = "src/python/querylake_api"


def write(root: Path, **modules: str) -> Path:
    """Write modules of the API, `keys__ring` for `keys/ring.py`; return the package's folder."""
    package = root / API
    for name, text in modules.items():
        file = package.joinpath(*name.split("__")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return package


CIRCLE = {
    "errors": "",
    "keys__ring": "from querylake_api.limits.table import rows\nimport querylake_api.errors\n",
    "limits__table": "from querylake_api.usage import ledger\nrows = 1\n",
    "usage__ledger": "from querylake_api.keys.ring import keys\n",
}


def test_a_circle_is_one_floor_and_is_tied_by_the_fewest_imports(tmp_path: Path) -> None:
    plan = plan_by_folder(read_house(write(tmp_path, **CIRCLE)))
    assert (len(plan.rooms), plan.loose) == (4, 1)
    assert (plan.circle, plan.upward, plan.floors) == (3, 1, 2)
    opened = write(tmp_path, usage__ledger="")
    plan = plan_by_folder(read_house(opened))
    assert (plan.circle, plan.upward, plan.floors) == (0, 0, 3)


def test_a_face_ties_no_circle_by_the_folder_it_lies_in(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        keys__commands="import querylake_api.usage.ledger\n",
        keys__ring="",
        usage__ledger="import querylake_api.keys.ring\n",
    )
    assert plan_by_folder(read_house(package)).circle == 0


def test_imports_are_held_against_the_floors_that_are_declared(tmp_path: Path) -> None:
    package = write(tmp_path, **CIRCLE)
    floors = (("keys", "limits"), ("usage",), ("errors",))
    plan = plan_as_declared(read_house(package), floors)
    assert (plan.floors, plan.upward, plan.circle) == (3, 1, 3)


def test_an_object_that_many_write_is_counted_with_its_writers(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        record="class RequestRecord:\n    def __init__(self):\n"
        "        self.status = 0\n        self.model = ''\n",
        large="class Large:\n    a: int\n    b: int\n    c: int\n",
        first="def f(record):\n    record.status = 1\n",
        second="class F:\n    def f(self):\n        self._record.model = 'm'\n",
        third="def f(seen: RequestRecord):\n    seen.status = 2\n",
        reader="def f(record):\n    print(record.status)\n    other.status = 1\n",
    )
    assert largest_blackboard(sources(package)) == Blackboard("RequestRecord", 2, 3)


def test_a_field_of_the_ledger_is_looked_for_in_every_file(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        persistence__migrations="op.create_table('usage_records', sa.Column('id'), "
        "sa.Column('model'))\nop.create_table('other', sa.Column('nothing'))\n",
        usage__entry="record = {'id': 1, 'model': ''}\n",
        usage__schemas="class Record:\n    model: str\n    models: str\n",
    )
    assert spread_of_fields(package) == FieldSpread(fewest=2, median=3)


def test_lengths_are_those_of_something_that_exists() -> None:
    assert Lengths.of([1, 2, 3, 4, 5, 6, 7, 8, 9, 100]) == Lengths(10, 5, 9, 100)
    assert Lengths.of([3]) == Lengths(1, 3, 3, 3)
    assert Lengths.of([]).longest == 0


def test_functions_comments_and_tests_are_counted(tmp_path: Path) -> None:
    package = write(
        tmp_path,
        one='def f():\n    # Why.\n    return "# none"  # noqa: X\n\n\nasync def g(): ...\n',
        test_one="class TestIt:\n    def test_a(self): ...\n\n\nasync def test_b(): ...\n",
    )
    assert function_lengths([package / "one.py"]) == Lengths(2, 1, 3, 3)
    assert comments_in_1000_lines([package / "one.py"]) == round(1000 / 6)
    assert count_tests(package) == 2


def git(root: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments], cwd=root, check=True
    )


@pytest.fixture()
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, in which rooms import in a circle, and none after it."""
    write(tmp_path, **CIRCLE)
    for folder, name in (("tests", "test_a.py"), ("build-support", "boundaries.toml")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    write(tmp_path, usage__ledger="")
    monkeypatch.setenv("REPO_ROOT", str(tmp_path))
    return tmp_path


def test_a_revision_stands_beside_the_working_tree(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["HEAD"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" | working tree |")
    assert "| rooms in the largest circle, by folder | 3 | 0 |" in lines
    assert "| files on the way of a streamed chat | - | - |" in lines


def test_a_revision_that_is_not_there_is_named(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["b1946ac"]) == 2
    assert "git has no revision 'b1946ac'" in capsys.readouterr().err


def test_an_interpreter_that_cannot_serve_traces_nothing(tmp_path: Path) -> None:
    package = write(tmp_path, keys="")
    (package / "__main__.py").write_text("raise SystemExit('nothing here')\n", encoding="utf-8")
    with pytest.raises(TraceError, match="nothing here"):
        trace_request_path(package.parent, Path(sys.executable))
