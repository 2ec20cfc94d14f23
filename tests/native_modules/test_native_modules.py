"""Modules are compiled beside their sources, or stay as they are and somebody is told why."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from native_modules.__main__ import missing

needs_a_compiler = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SOURCE = '''# compiled: it is called often.

def twice(number: int) -> int:
    """Return a number's double."""
    return number * 2
'''


def package(folder: Path, source: str) -> None:
    (folder / "numbers_of_ours").mkdir()
    (folder / "numbers_of_ours/__init__.py").touch()
    (folder / "numbers_of_ours/double.py").write_text(source)


def compiled(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Compile the modules of a folder that ask for it into the folder."""
    command = [sys.executable, "-m", "native_modules", "--name", "ours", "--into", str(folder)]
    return subprocess.run(
        [*command, "numbers_of_ours"],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        | environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def used(folder: Path) -> tuple[str, str]:
    """Return which file Python takes for the module, and what one of its functions returns."""
    code = "from numbers_of_ours import double; print(double.__file__, double.twice(21))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    file, result = done.stdout.split()
    return Path(file).suffix, result


@needs_a_compiler
def test_a_module_that_asks_for_it_is_compiled_and_comes_before_its_source(tmp_path: Path) -> None:
    package(tmp_path, SOURCE)
    other = SOURCE.replace("# compiled: it", "# interpreted: seldom")
    (tmp_path / "numbers_of_ours/other.py").write_text(other)
    assert used(tmp_path) == (".py", "42")
    done = compiled(tmp_path)
    assert done.returncode == 0, done.stderr
    assert used(tmp_path) == (".so", "42")
    assert not list(tmp_path.rglob("other*.so"))


@needs_a_compiler
def test_what_is_not_true_is_not_compiled(tmp_path: Path) -> None:
    package(tmp_path, SOURCE.replace("number * 2", "str(number)"))
    done = compiled(tmp_path)
    assert done.returncode != 0
    assert 'Incompatible return value type (got "str", expected "int")' in done.stderr


@needs_a_compiler
def test_what_mypyc_cannot_compile_fails_the_build(tmp_path: Path) -> None:
    nested = "class Outer:\n    def f(self) -> None:\n        class Inner: ...\n"
    package(tmp_path, f"{SOURCE}\n{nested}")
    done = compiled(tmp_path)
    assert done.returncode != 0
    assert "double.py:9" in done.stderr


def test_a_package_in_which_no_module_asks_is_an_error(tmp_path: Path) -> None:
    package(tmp_path, SOURCE.replace("# compiled: ", "# compiled:"))
    done = compiled(tmp_path)
    assert done.returncode != 0
    assert "no module below numbers_of_ours asks to be compiled" in done.stderr


def test_without_a_compiler_the_source_stays_and_somebody_is_told(tmp_path: Path) -> None:
    package(tmp_path, SOURCE)
    done = compiled(tmp_path, QUERYLAKE_CC="")
    assert done.returncode == 0
    assert "ours stays interpreted" in done.stderr
    assert used(tmp_path) == (".py", "42")
