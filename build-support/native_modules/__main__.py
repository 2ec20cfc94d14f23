"""Compiles the modules that ask for it to C, with mypyc, or says why it cannot.

A module asks by a line of its own that begins with `# compiled: ` and goes on with the reason. A
compiled module lies beside its source and is preferred by the interpreter that it was made for; any
other takes the source. So nothing depends on it but speed, and a machine without a compiler
builds the same program without it.

https://mypyc.readthedocs.io
"""

from __future__ import annotations

import argparse
import io
import os
import re
import shutil
import sys
import sysconfig
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import setuptools  # type: ignore[import-untyped]  # it has no stubs of its own
from mypyc.build import mypycify

_ASKS = re.compile(r"^# compiled: \S", re.M)

MYPY_OPTIONS = (
    # What others wrote is taken for `Any`: nothing is assumed of it, nothing need be installed.
    "--ignore-missing-imports",
    # Modules that stay as they are give their types, and are checked elsewhere.
    "--follow-imports=silent",
    "--config-file=",
    "--no-incremental",
)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="native_modules", description=__doc__.splitlines()[0])
    parser.add_argument("--into", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--name", required=True, help="of the library that all of them share")
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="PACKAGE", help="below the working directory"
    )
    options = parser.parse_args()
    modules = asking(options.folders)
    if not modules:
        raise SystemExit(
            f"no module below {', '.join(map(str, options.folders))} asks to be compiled, by a "
            "line that begins with `# compiled: `"
        )
    lacking = missing()
    if lacking is not None:
        options.into.mkdir(parents=True, exist_ok=True)
        print(
            f"{options.name} stays interpreted and takes some 40 to 70% more processor time: "
            f"{lacking}",
            file=sys.stderr,
        )
        return
    compile_modules(modules, options.name, options.into)


def asking(folders: list[Path]) -> list[str]:
    """Return the modules below some folders that ask to be compiled, in order."""
    files = sorted(file for folder in folders for file in folder.rglob("*.py"))
    return [str(file) for file in files if _ASKS.search(file.read_text(encoding="utf-8"))]


def missing() -> str | None:
    """Return what to install before anything can be compiled here, or None."""
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return f"{sys.executable} has no headers (for a distribution's: its -dev package)"
    if _compiler() is None:
        return "there is no C compiler (such as gcc), or QUERYLAKE_CC names none"
    return None


def compile_modules(modules: list[str], name: str, into: Path) -> None:
    """Write an extension module for each module, and the library that they share.

    Raises:
        SystemExit: one of them cannot be compiled; what is wrong with it was printed.
    """
    os.environ["CC"] = _compiler() or "cc"
    with tempfile.TemporaryDirectory() as scratch:
        said = io.StringIO()
        try:
            with redirect_stdout(said):
                extensions = mypycify(
                    [*MYPY_OPTIONS, *modules],
                    group_name=name,
                    target_dir=scratch,
                    opt_level="2",
                    debug_level="0",
                )
        finally:
            print(*worth_saying(said.getvalue()), sep="", end="", file=sys.stderr)
        for extension in extensions:
            extension.extra_compile_args = [
                # What a later compiler warns of is no reason not to build.
                *(flag for flag in extension.extra_compile_args if flag != "-Werror"),
                # Calls from one function to the next are a tenth of a request otherwise: each would
                # be looked up, lest another library has one of that name.
                "-fvisibility=hidden",
            ]
        setuptools.setup(
            name=name,
            packages=[],
            py_modules=[],
            ext_modules=extensions,
            script_args=[
                *("--quiet", "build_ext"),
                *("--build-lib", str(into), "--build-temp", f"{scratch}/objects"),
            ],
        )


def worth_saying(output: str) -> list[str]:
    """Return the lines of mypyc's output without those about generators that become lists."""
    return [
        line for line in output.splitlines(keepends=True) if "comprehension as list" not in line
    ]


def _compiler() -> str | None:
    """Return the C compiler: the one that QUERYLAKE_CC names, which may be none, or the first."""
    named = os.environ.get("QUERYLAKE_CC")
    candidates = ("cc", "gcc", "clang") if named is None else (named,)
    return next((name for name in candidates if shutil.which(name)), None)


if __name__ == "__main__":
    main()
