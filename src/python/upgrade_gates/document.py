"""Where the document with the gates is."""

from __future__ import annotations

import os
from pathlib import Path

from upgrade_gates.checklist import Gate, read_gates
from upgrade_gates.errors import DocumentNotFound, DocumentUnusable

USUAL_PLACE = Path("docs", "deps_upgrade", "UPGRADE_GATES.md")
"""Relative to the repository."""


def find_document(start: Path) -> Path:
    """Return the document of the repository that a folder lies in.

    Raises:
        DocumentNotFound: neither the folder nor one above it has the document.
    """
    for folder in (start, *start.parents):
        document = folder / USUAL_PLACE
        if os.path.isfile(document):  # unlike Path.is_file, also where a folder cannot be read
            return document
    raise DocumentNotFound(
        f"there is no {USUAL_PLACE} in {start} or above it; run this inside the repository, or "
        "name the document with --document FILE"
    )


def read_document(path: Path) -> tuple[Gate, ...]:
    """Return the gates in a document; there is at least one.

    Raises:
        DocumentUnusable: it cannot be read, or has no gates.
    """
    try:
        gates = read_gates(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DocumentUnusable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DocumentUnusable(f"{path} is not UTF-8 at byte {error.start}; save it so") from None
    if not gates:
        raise DocumentUnusable(
            f"{path} has no gates: no heading begins with `Gate` and a number, as in "
            "`## Gate 0 - Choose matrix`"
        )
    return gates
