"""The command `build-support/house`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from querylake_build.house.comparison import Figures, measure, rendered
from querylake_build.house.request_path import TraceError
from querylake_build.house.revision import WORKING_TREE, RevisionError, extract, title_of


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0, or 2 if a revision cannot be measured."""
    options = _parser().parse_args(arguments)
    repository = Path(os.environ["REPO_ROOT"])
    try:
        columns = {
            title_of(repository, revision): _measured(repository, revision, options.trace)
            for revision in (options.before, options.after)
        }
    except (RevisionError, TraceError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(rendered(columns))
    return 0


def _measured(repository: Path, revision: str, python: Path | None) -> Figures:
    with _files(repository, revision) as folder:
        return measure(folder, python)


@contextmanager
def _files(repository: Path, revision: str) -> Iterator[Path]:
    if revision == WORKING_TREE:
        yield repository
        return
    with tempfile.TemporaryDirectory(prefix="house-") as folder:
        extract(repository, revision, Path(folder))
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build-support/house",
        description="Compare how the code of two revisions is built: rooms, floors and circles of "
        "the API, lengths of functions and modules, comments, tests. Prints a Markdown table. What "
        "each row counts is in docs/architecture.md.",
    )
    parser.add_argument(
        "before", nargs="?", default="HEAD", metavar="REV", help="a git revision [HEAD]"
    )
    parser.add_argument(
        "after",
        nargs="?",
        default=WORKING_TREE,
        metavar="REV",
        help="another one [the files as they are, committed or not]",
    )
    parser.add_argument(
        "--trace",
        type=Path,
        metavar="PYTHON",
        help="also stream a chat through the API of both, with an interpreter that has the "
        "requirements of 3rdparty/python/api.lock, and count the files on its way",
    )
    return parser
