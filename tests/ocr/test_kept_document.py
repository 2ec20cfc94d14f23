"""What a worker keeps open from one page to the next, and when it opens a document anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ocr.conversion_options import ConversionOptions
from ocr.errors import DocumentRefused
from ocr.workers.kept_document import KeptDocument
from ocr_testing.pages import HARBOUR, drawn, lines

OPTIONS = ConversionOptions()
ONE_PAGE = drawn(lines(HARBOUR))
TWO_PAGES = drawn(lines(HARBOUR), lines(HARBOUR))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "document"
    file.write_bytes(TWO_PAGES)
    return file


def test_a_document_stays_open_from_one_page_to_the_next(path: Path) -> None:
    kept = KeptDocument()
    document = kept.opened(path, OPTIONS)
    assert kept.opened(path, replace(OPTIONS)) is document
    kept.close()
    assert kept.opened(path, OPTIONS) is not document


def test_other_options_open_it_anew(path: Path) -> None:
    kept = KeptDocument()
    document = kept.opened(path, OPTIONS)
    assert kept.opened(path, replace(OPTIONS, dpi=100)) is not document


def test_what_replaces_a_file_is_another_document(path: Path) -> None:
    kept = KeptDocument()
    assert kept.opened(path, OPTIONS).page_count == 2
    successor = path.with_name("successor")
    successor.write_bytes(ONE_PAGE)
    os.replace(successor, path)
    assert kept.opened(path, OPTIONS).page_count == 1


def test_a_document_that_was_let_go_of_is_refused_though_it_is_open(path: Path) -> None:
    kept = KeptDocument()
    kept.opened(path, OPTIONS)
    path.unlink()
    with pytest.raises(DocumentRefused, match="not there any more"):
        kept.opened(path, OPTIONS)


def test_one_that_cannot_be_opened_leaves_nothing_of_the_last(path: Path) -> None:
    kept = KeptDocument()
    document = kept.opened(path, OPTIONS)
    broken = path.with_name("broken")
    broken.write_bytes(b"%PDF-1.7 and nothing else")
    with pytest.raises(DocumentRefused):
        kept.opened(broken, OPTIONS)
    assert kept.opened(path, OPTIONS) is not document
