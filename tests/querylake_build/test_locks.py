"""Locks: what a file says of itself, and what counts as drift. uv is a program of ours here."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from querylake_build.locks.cli import check, main, write
from querylake_build.locks.errors import LockDrifted, LockError, NotInstallable, ResolveFailed
from querylake_build.locks.lockfile import read_header, read_pins, require_same
from querylake_build.locks.spec import LockSpec, read_specs, select
from querylake_build.locks.uv import Uv

DAY = datetime.date(2026, 1, 15)
HASH = "--hash=sha256:" + "a" * 64

FAKE_UV = """#!/bin/sh
echo "$*" >>"$0.calls"
case "$1 $2" in
  "pip compile") [ -e "$0.fails" ] && { echo "no versions agree" >&2; exit 1; }
    while [ "$1" != --output-file ]; do shift; done; cat "$0.resolves" >"$2" ;;
  "pip check") cat "$0.conflicts" >&2 2>/dev/null ;;
esac
exit 0
"""


class Index:
    """What a fake uv resolves to."""

    def __init__(self, folder: Path) -> None:
        self._uv = folder / "uv"
        self._uv.write_text(FAKE_UV, encoding="utf-8")
        self._uv.chmod(0o755)
        (folder / "uv.conflicts").touch()
        self.uv = Uv(self._uv, {"3.11": Path("python3.11")}, folder / "cache")

    def has(self, *pins: str) -> None:
        """Resolve to these from now on."""
        text = "".join(f"{pin} \\\n    {HASH}\n" for pin in pins)
        self._uv.with_name("uv.resolves").write_text(text, encoding="utf-8")

    def fails(self) -> None:
        """Find nothing from now on."""
        self._uv.with_name("uv.fails").touch()

    def conflicts(self, text: str) -> None:
        """Complain of what is installed."""
        self._uv.with_name("uv.conflicts").write_text(text, encoding="utf-8")

    def calls(self) -> list[str]:
        """Return the command lines so far."""
        return self._uv.with_name("uv.calls").read_text(encoding="utf-8").splitlines()


@pytest.fixture()
def index(tmp_path: Path) -> Index:
    return Index(tmp_path)


@pytest.fixture()
def spec(tmp_path: Path) -> LockSpec:
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "base.in").write_text("httpx\n", encoding="utf-8")
    (folder / "locks.toml").write_text("", encoding="utf-8")
    return read_specs(folder)["base"]


def test_a_lock_remembers_what_it_was_made_from(index: Index, spec: LockSpec) -> None:
    index.has("Httpx[http2]==0.28.1", "zope.interface==7")
    assert write(spec, index.uv, DAY, keep=False) == ("2 distributions as of 2026-01-15, 2 changed")
    header = read_header(spec.lock)
    assert (header.as_of, header.python) == (DAY, "3.11")
    assert header.input_sha256 == spec.input_sha256()
    assert read_pins(spec.lock) == {"httpx": "0.28.1", "zope-interface": "7"}
    assert "--exclude-newer 2026-01-15T23:59:59Z" in index.calls()[0]
    check(spec, index.uv)


def test_an_edited_input_is_drift(index: Index, spec: LockSpec) -> None:
    index.has("httpx==0.28.1")
    write(spec, index.uv, DAY, keep=False)
    spec.input.write_text("httpx\nrich\n", encoding="utf-8")
    with pytest.raises(LockDrifted, match=r"base.in changed .* build-support/lock base"):
        check(spec, index.uv)


@pytest.mark.parametrize(
    ("pins", "says"),
    [
        (["httpx==0.29.0"], "httpx: 0.28.1 locked, 0.29.0 resolved"),
        (["httpx==0.28.1", "h11==1"], "h11: absent locked, 1 resolved"),
    ],
)
def test_other_versions_are_drift_and_named(
    index: Index, spec: LockSpec, pins: list[str], says: str
) -> None:
    index.has("httpx==0.28.1")
    write(spec, index.uv, DAY, keep=False)
    before = spec.lock.read_bytes()
    index.has(*pins)
    with pytest.raises(LockDrifted, match=says):
        check(spec, index.uv)
    assert spec.lock.read_bytes() == before
    assert [file.name for file in spec.folder.iterdir() if "check" in file.name] == []


def test_another_hash_of_the_same_version_is_drift(index: Index, spec: LockSpec) -> None:
    index.has("httpx==0.28.1")
    write(spec, index.uv, DAY, keep=False)
    spec.lock.write_text(spec.lock.read_text().replace("aaaa", "bbbb"), encoding="utf-8")
    with pytest.raises(LockDrifted, match="the hashes do not"):
        check(spec, index.uv)


def test_another_engine_points_to_the_comparison(index: Index, spec: LockSpec) -> None:
    index.has("vllm==0.13.0")
    assert "parity" not in write(spec, index.uv, DAY, keep=False)
    index.has("vllm==0.32.0")
    said = write(spec, index.uv, DAY, keep=False)
    assert "vllm 0.13.0 became 0.32.0" in said
    assert "upgrade_gates parity contract --old URL --new URL" in said
    assert "parity" not in write(spec, index.uv, DAY, keep=False)


def test_a_missing_lock_says_how_to_make_it(index: Index, spec: LockSpec) -> None:
    with pytest.raises(LockDrifted, match="build-support/lock base"):
        check(spec, index.uv)


@pytest.mark.parametrize("text", ["", "# as-of: yesterday\n# python: 3.11\n# input-sha256: x\n"])
def test_a_damaged_header_says_how_to_mend_it(spec: LockSpec, text: str) -> None:
    spec.lock.write_text(text, encoding="utf-8")
    with pytest.raises(LockError, match="make it again"):
        read_header(spec.lock)


def test_what_does_not_resolve_leaves_the_lock_alone(index: Index, spec: LockSpec) -> None:
    index.has("httpx==0.28.1")
    write(spec, index.uv, DAY, keep=False)
    before = spec.lock.read_bytes()
    index.fails()
    with pytest.raises(ResolveFailed, match="no versions agree"):
        write(spec, index.uv, DAY, keep=True)
    assert spec.lock.read_bytes() == before


CONFLICT = "The package `a` requires `b>=2`, but `1` is installed\nFound 1 incompatibility\n"


def test_installed_packages_must_agree(index: Index, spec: LockSpec) -> None:
    assert index.uv.prove_installable(spec, install=True) == "installs, consistent"
    index.conflicts(CONFLICT)
    with pytest.raises(NotInstallable, match="a requires b, which is not met"):
        index.uv.prove_installable(spec, install=True)


def test_a_listed_exception_is_allowed_until_it_is_needless(index: Index, spec: LockSpec) -> None:
    entry = '[[base.unmet]]\npackage = "a"\nrequires = "b"\nreason = "not used"\n'
    (spec.folder / "locks.toml").write_text(entry, encoding="utf-8")
    excused = read_specs(spec.folder)["base"]
    index.conflicts(CONFLICT)
    assert "1 listed exceptions" in index.uv.prove_installable(excused, install=True)
    index.conflicts("")
    with pytest.raises(NotInstallable, match="delete the exception"):
        index.uv.prove_installable(excused, install=True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [("[api]\n", "no .in file for api"), ("[base]\nheavvy = true\n", "unknown keys: heavvy")],
)
def test_wrong_settings_are_said(spec: LockSpec, settings: str, says: str) -> None:
    (spec.folder / "locks.toml").write_text(settings, encoding="utf-8")
    with pytest.raises(LockError, match=says):
        read_specs(spec.folder)


def test_locks_are_chosen_by_name(spec: LockSpec) -> None:
    specs = read_specs(spec.folder)
    assert select(specs, []) == select(specs, ["base"]) == [spec]
    with pytest.raises(LockError, match="no lock named bas; there are: base"):
        select(specs, ["bas"])


def test_every_difference_is_named() -> None:
    require_same("x", {"a": "1"}, {"a": "1"})
    with pytest.raises(LockDrifted, match=r"a: 1 locked, 2 resolved; b: absent locked, 1 resolved"):
        require_same("x", {"a": "1"}, {"a": "2", "b": "1"})


def test_every_lock_is_looked_at_before_the_command_fails(
    tmp_path: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "3rdparty" / "python"
    folder.mkdir(parents=True)
    (folder / "locks.toml").touch()
    for name in ("a", "b"):
        (folder / f"{name}.in").touch()
    environment: Callable[[str, str], None] = monkeypatch.setenv
    environment("REPO_ROOT", str(tmp_path))
    environment("QUERYLAKE_UV", str(index.uv.executable))
    environment("QUERYLAKE_PYTHON39", "python3.9")
    environment("QUERYLAKE_PYTHON311", "python3.11")
    environment("QUERYLAKE_CACHE_DIR", str(tmp_path))
    index.has("httpx==0.28.1")
    assert main(["b"]) == 0
    assert main(["--check"]) == 1
    captured = capsys.readouterr()
    assert "a              FAILED" in captured.err
    assert "b              up to date, installs, consistent" in captured.out
    assert main(["none"]) == 2
