"""What the launcher finds and installs, and what it says where it cannot.

Every test runs a copy of bootstrap.sh in a checkout of its own, with a home and a PATH of its own,
so that nothing of this machine is found.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BOOTSTRAP = Path("build-support/bootstrap.sh")
SYSTEM = "/usr/bin:/bin"
COMMANDS = "bash cat cksum dirname ln mkdir mktemp mv rm sleep sort tail tr".split()
SECONDS = 90.0

# Says yes when it is asked whether it is its version; makes a virtual environment out of itself.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
  "-c "*"!= '{version}'"*) exit 0 ;;
  "-m venv "*)
    {venv}
    mkdir -p "$3/bin" && cat "$0" >"$3/bin/python" && chmod +x "$3/bin/python" ;;
  "-m pip "*"--require-hashes"*)
    {pip}
    ;;
  *) exit 1 ;;
esac
"""

FAKE_UV = """#!/usr/bin/env bash
case "$*" in
  "python find --no-python-downloads"*) exit 2 ;;
  "python install --quiet"*) echo "$*" >>"$HOME/uv-installs" ;;
  "python find"*) echo "$HOME/uv/python$3" ;;
esac
"""


class Checkout:
    """A throw-away checkout with a launcher, a home, and a PATH that holds no interpreter yet."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.home = folder / "home"
        self.cache = self.home / ".cache" / "querylake"
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self.home.mkdir()
        self.path = [self.bin]
        for command in [*COMMANDS, "chmod", "env"]:
            found = shutil.which(command, path=SYSTEM)
            assert found is not None, f"{command} is needed"
            (self.bin / command).symlink_to(found)
        (self.root / "build-support").mkdir(parents=True)
        shutil.copy(BOOTSTRAP, self.root / "build-support")
        lock = self.root / "3rdparty" / "python" / "tools" / "pants.lock"
        lock.parent.mkdir(parents=True)
        lock.write_text("pantsbuild.pants==2.17.1\n", encoding="utf-8")

    def python(self, place: Path, version: str, *, venv: str = ":", pip: str = ":") -> Path:
        """Put a stand-in for an interpreter somewhere."""
        text = FAKE_PYTHON.format(version=version, venv=venv, pip=pip)
        return executable(place, text)

    def start(self, call: str, **variables: str) -> subprocess.Popen[str]:
        """Source the launcher's functions and call one."""
        environment = {
            "HOME": str(self.home),
            "PATH": os.pathsep.join(str(folder) for folder in self.path),
            **variables,
        }
        return subprocess.Popen(
            ["bash", "-c", f'source "$0"; {call}', str(self.root / BOOTSTRAP)],
            env={name: value for name, value in environment.items() if value},
            executable=self.bin / "bash",
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, call: str, **variables: str) -> tuple[int, str, str]:
        """Call a function; return exit code, output and errors."""
        return ended(self.start(call, **variables))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Wait for a process; return exit code, output and errors."""
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    return process.returncode, out.strip(), err


def executable(place: Path, text: str) -> Path:
    """Write a program."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")
    place.chmod(0o755)
    return place


@pytest.fixture()
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_missing_interpreter_is_said_with_the_ways_to_get_it(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.11", "3.11")
    code, out, err = checkout.run("find_python 3.9")
    assert (code, out) == (1, "")
    assert err.startswith("error: CPython 3.9 with venv is needed and was not found")
    for way in (
        "uv python install 3.9",
        "pyenv install 3.9",
        "apt-get install python3.9 python3.9-venv",
        "QUERYLAKE_PYTHON39",
    ):
        assert way in err
    assert not (checkout.cache / "python-3.9").exists()


def test_a_missing_interpreter_stops_the_installation_of_a_tool(checkout: Checkout) -> None:
    code, out, err = checkout.run('tool="$(ensure_tool pants 3.9)"; echo went on')
    assert (code, out) == (1, "")
    assert err.count("error:") == 1


def test_pyenv_is_searched_without_its_shims(checkout: Checkout) -> None:
    versions = checkout.home / ".pyenv" / "versions"
    for version in ("3.11.7", "3.11.12", "3.12.1"):
        checkout.python(versions / version / "bin" / "python3.11", "3.11")
    newest = versions / "3.11.12" / "bin" / "python3.11"
    assert checkout.run("find_python 3.11") == (0, str(newest), "")


def test_what_does_not_work_is_passed_over(checkout: Checkout, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    executable(shims / "python3.11", "#!/bin/sh\necho 'pyenv: version not set' >&2; exit 127\n")
    older = checkout.python(tmp_path / "renamed" / "python3.11", "3.10")
    good = checkout.python(tmp_path / "good" / "python3.11", "3.11")
    checkout.path = [shims, older.parent, good.parent, checkout.bin]
    assert checkout.run("find_python 3.11") == (0, str(good), "")


def test_a_chosen_interpreter_goes_first_and_is_not_remembered(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.python(checkout.bin / "python3.11", "3.11")
    chosen = checkout.python(tmp_path / "elsewhere" / "python", "3.11")
    found = checkout.run("find_python 3.11", QUERYLAKE_PYTHON311=str(chosen))
    assert found == (0, str(chosen), "")
    assert checkout.run("find_python 3.11") == (0, str(checkout.bin / "python3.11"), "")


@pytest.mark.parametrize("wrong", ["absent", "other-version"])
def test_a_wrong_chosen_interpreter_is_an_error_and_nothing_else_is_taken(
    checkout: Checkout, tmp_path: Path, wrong: str
) -> None:
    checkout.python(checkout.bin / "python3.11", "3.11")
    checkout.python(tmp_path / "other-version", "3.12")
    chosen = str(tmp_path / wrong)
    code, out, err = checkout.run("find_python 3.11", QUERYLAKE_PYTHON311=chosen)
    assert (code, out) == (1, "")
    assert f"error: QUERYLAKE_PYTHON311={chosen} is not a CPython 3.11 with venv." in err


def test_an_answer_is_remembered_until_its_interpreter_vanishes(
    checkout: Checkout, tmp_path: Path
) -> None:
    first = checkout.python(tmp_path / "first" / "python3.11", "3.11")
    second = checkout.python(checkout.bin / "python3.11", "3.11")
    assert checkout.run("find_python 3.11")[1] == str(second)
    checkout.path = [first.parent, checkout.bin]
    assert checkout.run("find_python 3.11")[1] == str(second)
    second.unlink()
    assert checkout.run("find_python 3.11") == (0, str(first), "")
    assert (checkout.cache / "python-3.11").read_text(encoding="utf-8") == f"{first}\n"


def test_uv_is_asked_for_an_interpreter_last_and_only_if_it_may(checkout: Checkout) -> None:
    executable(checkout.bin / "uv", FAKE_UV)
    from_uv = checkout.python(checkout.home / "uv" / "python3.9", "3.9")
    installs = checkout.home / "uv-installs"
    assert checkout.run("find_python 3.9", QUERYLAKE_NO_PYTHON_DOWNLOADS="1")[0] == 1
    assert not installs.exists()
    code, out, err = checkout.run("find_python 3.9")
    assert (code, out) == (0, str(from_uv))
    assert err == "CPython 3.9 was not found; asking uv for it.\n"
    assert installs.read_text(encoding="utf-8") == "python install --quiet 3.9\n"


def test_a_home_that_cannot_be_written_is_said(checkout: Checkout, tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.touch()
    cache = f"{no_folder}/.cache/querylake"
    code, out, err = checkout.run("find_python 3.11", HOME=str(no_folder))
    assert (code, out) == (1, "")
    assert err == (
        f"error: the cache folder {cache} cannot be written.\n"
        "       Set QUERYLAKE_CACHE_DIR to a folder that you can write to.\n"
    )
    code, _, err = checkout.run("find_python 3.11", HOME="")
    assert code == 1
    assert err.startswith("error: neither HOME nor QUERYLAKE_CACHE_DIR is set.\n")


def test_a_cache_folder_needs_no_home(checkout: Checkout, tmp_path: Path) -> None:
    python = checkout.python(checkout.bin / "python3.11", "3.11")
    cache = tmp_path / "a cache"
    found = checkout.run("find_python 3.11", HOME="", QUERYLAKE_CACHE_DIR=str(cache))
    assert found == (0, str(python), "")
    assert (cache / "python-3.11").is_file()


def test_a_tool_is_installed_once_for_each_content_of_its_lock(checkout: Checkout) -> None:
    pips = checkout.home / "pips"
    checkout.python(checkout.bin / "python3.9", "3.9", pip='echo "$*" >>"$HOME/pips"')
    code, first, err = checkout.run("ensure_tool pants 3.9")
    assert code == 0
    assert err.startswith("Installing pants into ")
    assert os.access(f"{first}/bin/python", os.X_OK)
    assert checkout.run("ensure_tool pants 3.9") == (0, first, "")
    lock = checkout.root / "3rdparty" / "python" / "tools" / "pants.lock"
    assert pips.read_text(encoding="utf-8").count(f"--requirement {lock}\n") == 1
    lock.write_text("pantsbuild.pants==2.18.0\n", encoding="utf-8")
    assert checkout.run("ensure_tool pants 3.9")[1] not in ("", first)
    assert pips.read_text(encoding="utf-8").count(f"--requirement {lock}\n") == 2


def test_two_installations_at_once_leave_one_good_folder(checkout: Checkout) -> None:
    # Neither goes on before both have found the tool missing and begun.
    meet = """echo >"$3.began"
    until begun=("${3%.*}".*.began); [[ ${#begun[@]} == 2 ]]; do sleep 0.01; done"""
    checkout.python(checkout.bin / "python3.9", "3.9", venv=meet)
    both = [checkout.start("ensure_tool pants 3.9") for _ in range(2)]
    (code, tool, _), (other_code, other_tool, _) = map(ended, both)
    assert (code, other_code) == (0, 0)
    assert tool == other_tool
    assert os.access(f"{tool}/bin/python", os.X_OK)
    folders = {each for each in (checkout.cache / "tools").iterdir() if each.is_dir()}
    assert folders == {Path(tool), Path(tool).resolve()}


def test_a_tool_whose_interpreter_has_gone_is_installed_again(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.9", "3.9")
    _, tool, _ = checkout.run("ensure_tool pants 3.9")
    (Path(tool) / "bin" / "python").unlink()
    code, again, _ = checkout.run("ensure_tool pants 3.9")
    assert (code, again) == (0, tool)
    assert os.access(f"{tool}/bin/python", os.X_OK)


def test_an_installation_that_fails_shows_why_and_leaves_nothing(checkout: Checkout) -> None:
    checkout.python(checkout.bin / "python3.9", "3.9", pip="echo HASHES DO NOT MATCH >&2; exit 1")
    code, out, err = checkout.run("ensure_tool pants 3.9")
    assert (code, out) == (1, "")
    assert "HASHES DO NOT MATCH" in err
    assert "error: pants could not be installed" in err
    assert list((checkout.cache / "tools").iterdir()) == []
