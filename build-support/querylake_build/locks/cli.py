"""The command `build-support/lock`."""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from querylake_build.locks.errors import LockDrifted, LockError
from querylake_build.locks.lockfile import LockHeader, read_header, read_pins, require_same
from querylake_build.locks.spec import LockSpec, read_specs, select
from querylake_build.locks.uv import Uv

ENGINE = "vllm"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit code."""
    options = _parser().parse_args(arguments)
    repository = Path(os.environ["REPO_ROOT"])
    uv = Uv(
        executable=Path(os.environ["QUERYLAKE_UV"]),
        pythons={
            "3.9": Path(os.environ["QUERYLAKE_PYTHON39"]),
            "3.11": Path(os.environ["QUERYLAKE_PYTHON311"]),
        },
        cache=Path(os.environ["QUERYLAKE_CACHE_DIR"]) / "uv",
    )
    try:
        chosen = select(read_specs(repository / "3rdparty" / "python"), options.names)
    except LockError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failures = 0
    for spec in chosen:
        try:
            print(f"{spec.name:<14} {_work(spec, uv, options)}", flush=True)
        except LockError as error:
            failures += 1
            print(f"{spec.name:<14} FAILED\n  {error}", file=sys.stderr, flush=True)
    return 1 if failures else 0


def _work(spec: LockSpec, uv: Uv, options: argparse.Namespace) -> str:
    if options.check:
        check(spec, uv)
        return "up to date, " + uv.prove_installable(
            spec, install=options.install or not spec.heavy
        )
    if options.upgrade:
        return write(spec, uv, options.as_of or datetime.date.today(), keep=False)
    recorded = read_header(spec.lock).as_of if spec.lock.exists() else datetime.date.today()
    return write(spec, uv, options.as_of or recorded, keep=options.as_of is None)


def write(spec: LockSpec, uv: Uv, as_of: datetime.date, *, keep: bool) -> str:
    """Resolve a lock and write it; return one clause on what changed.

    Args:
        spec: the lock.
        uv: resolver.
        as_of: ignore what was published after this day.
        keep: stay with the versions of the present lock where they still fit.
    """
    before = read_pins(spec.lock) if spec.lock.exists() else {}
    resolved = uv.resolve(spec, as_of, previous=spec.lock if keep and before else None)
    header = LockHeader(as_of=as_of, python=spec.python, input_sha256=spec.input_sha256())
    spec.lock.write_text(header.render() + _requirements(resolved))
    after = read_pins(spec.lock)
    changed = sum(before.get(name) != after.get(name) for name in before.keys() | after.keys())
    return f"{len(after)} distributions as of {as_of}, {changed} changed{_engine(before, after)}"


def _engine(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return what to do if the lock holds another engine now; empty if it does not."""
    old, new = before.get(ENGINE), after.get(ENGINE)
    if old is None or new is None or old == new:
        return ""
    return (
        f"\n  {ENGINE} {old} became {new}: request fields may be gone and answers may differ. "
        "With both running:\n  upgrade_gates parity contract --old URL --new URL\n"
        "  upgrade_gates parity verify --old URL --new URL"
    )


def check(spec: LockSpec, uv: Uv) -> None:
    """Resolve a lock again as of its own date and compare.

    Raises:
        LockDrifted: the input changed since, or resolves to something else.
        ResolveFailed: it does not resolve any more.
    """
    if not spec.lock.exists():
        raise LockDrifted(
            f"{spec.name}: there is no lock; make it with: build-support/lock {spec.name}"
        )
    header = read_header(spec.lock)
    if header.input_sha256 != spec.input_sha256() or header.python != spec.python:
        raise LockDrifted(
            f"{spec.input.name} changed after the lock was made; "
            f"run: build-support/lock {spec.name}"
        )
    resolved = spec.lock.with_suffix(".lock.check")
    try:
        resolved.write_text(uv.resolve(spec, header.as_of, previous=spec.lock))
        require_same(spec.name, read_pins(spec.lock), read_pins(resolved))
        if _requirements(resolved.read_text()) != _requirements(spec.lock.read_text()):
            raise LockDrifted(
                f"{spec.name}: the versions agree but the hashes do not; "
                f"run: build-support/lock {spec.name}"
            )
    finally:
        resolved.unlink(missing_ok=True)


def _requirements(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build-support/lock",
        description="Make, upgrade and check the locks in 3rdparty/python. Without an "
        "option, named locks are resolved again as of their own date, keeping every version that "
        "still fits.",
    )
    parser.add_argument(
        "names", nargs="*", metavar="LOCK", help="e.g. api or tools/mypy; none means all"
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--all", action="store_true", help="all locks (the same as naming none)")
    action.add_argument(
        "--check",
        action="store_true",
        help="change nothing; fail on drift or if it cannot be installed",
    )
    action.add_argument(
        "--upgrade", action="store_true", help="take the newest versions as of today, or --as-of"
    )
    parser.add_argument(
        "--install", action="store_true", help="with --check: really install the heavy locks too"
    )
    parser.add_argument(
        "--as-of",
        type=datetime.date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="resolve as of this day",
    )
    return parser
