"""Pages that several programs share. Each program writes and checks its own section.

The programs have different environments, so their tests give the texts. With `WRITE` in the
environment, as `build-support/reference` runs them, they write what they would check.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGES = Path("docs/reference")

WRITE = "QUERYLAKE_WRITE_REFERENCE"


def read_section(page: Path, name: str) -> str:
    """Return a section of a page, without its marks; empty if it has none of this name."""
    text = page.read_text(encoding="utf-8")
    _, found, rest = text.partition(_begin(name))
    return rest.partition(_end(name))[0] if found else ""


def write_section(page: Path, name: str, text: str) -> None:
    """Put a section into a page, in the place of the one that it has."""
    before = page.read_text(encoding="utf-8")
    head, found, rest = before.partition(_begin(name))
    if not found:
        raise ValueError(f"{page} has no line {_begin(name).strip()!r}; add it where it belongs")
    tail = rest.partition(_end(name))[2]
    page.write_text(f"{head}{_begin(name)}{text}{_end(name)}{tail}", encoding="utf-8")


def check_section(page: Path, name: str, text: str) -> None:
    """Raise an AssertionError if a section does not say this; or write it, if so wanted."""
    if WRITE in os.environ:
        write_section(page, name, text)
    elif read_section(page, name) != text:
        raise AssertionError(
            f"the section {name} of {page} is out of date; run build-support/reference and commit "
            "the page"
        )


def _begin(name: str) -> str:
    return f"<!-- begin {name} -->\n"


def _end(name: str) -> str:
    return f"<!-- end {name} -->\n"
