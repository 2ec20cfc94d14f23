"""The command: `python -m ocr_benchmark --readers querylake,tesseract --classes "scan, clean"`."""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ocr_benchmark.case import Case
from ocr_benchmark.corpus import CLASSES, cases_of
from ocr_benchmark.readers import READERS, READS_OFFICE, Cost, Read, Reader, memory
from ocr_benchmark.scoring import cells_found, error_rate, error_rate_without_order, plain


@dataclass(frozen=True)
class Score:
    """How one reader did on one class; means over its documents.

    Attributes:
        cells: share of table cells at their place; None without tables, or if it knows none.
        values: share of the values of form fields that it gives; None without any.
        cost: of each page.
        memory: MB at most.
    """

    with_order: float
    without_order: float
    cells: float | None
    values: float | None
    cost: Cost
    memory: float
    failed: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print or write the table."""
    parser = argparse.ArgumentParser(prog="ocr_benchmark", description=__doc__)
    parser.add_argument("--readers", default=",".join(READERS))
    parser.add_argument("--classes", default=";".join(CLASSES), help="separated by ;")
    parser.add_argument(
        "--keep", type=Path, help="a folder for documents, truths and what was read"
    )
    options = parser.parse_args(arguments)
    readers = options.readers.split(",")
    for name in readers:
        if name not in READERS:
            sys.exit(f"error: no reader {name!r}; there are {', '.join(READERS)}")
        needed = READERS[name].missing(READERS[name])  # type: ignore[arg-type]
        if needed:
            sys.exit(f"error: {name} is missing: {needed}")
    print(
        "| documents | reader | CER | CER without order | table cells | form values | "
        "CPU s/page | s/page | MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for class_name in options.classes.split(";"):
        endings = {case.ending for case in cases_of(class_name)}
        for name in readers:
            if endings != {"pdf"} and name not in READS_OFFICE:
                continue
            print(_row(class_name, name, _apart(name, class_name, options.keep)), flush=True)


def _apart(reader: str, class_name: str, keep: Path | None) -> Score:
    """Measure in a process of its own, so that memory is that of one reader and one class."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (reader, class_name, keep))


def measure(name: str, class_name: str, keep: Path | None) -> Score:
    """Let a reader read all documents of a class."""
    reader = READERS[name]()
    rates, orderless, pages = [], [], 0
    processor, clock = 0.0, 0.0
    found, cells, failed = 0, 0, 0
    given, values = 0, 0
    knows_tables = False
    for case in cases_of(class_name):
        read = _read(reader, case)
        given += sum(value in read.text for value in case.values)
        values += len(case.values)
        spaces = not case.languages.startswith("chi")
        truth, text = plain(case.truth, spaces), plain(read.text, spaces)
        rates.append(error_rate(truth, text))
        orderless.append(error_rate_without_order(truth, text))
        processor, clock = processor + read.cost.processor, clock + read.cost.clock
        pages, failed = pages + read.pages, failed + len(read.failed)
        if read.tables is not None:
            knows_tables = True
            found += sum(cells_found(table, read.tables) for table in case.tables)
            cells += sum(len(row) for table in case.tables for row in table)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            stem = f"{class_name}, {case.name}"
            (keep / f"{stem}.{case.ending}").write_bytes(case.pdf)
            (keep / f"{stem}.truth.txt").write_text(truth)
            (keep / f"{stem}.{name}.txt").write_text(f"{rates[-1]:.4f}\n{text}")
    # What a child process holds counts for those that are run as programs.
    who = resource.RUSAGE_SELF if name == "querylake" else resource.RUSAGE_CHILDREN
    return Score(
        with_order=statistics.mean(rates),
        without_order=statistics.mean(orderless),
        cells=found / cells if knows_tables and cells else None,
        values=given / values if values else None,
        cost=Cost(processor / pages, clock / pages),
        memory=memory(who),
        failed=failed,
    )


def _read(reader: Reader, case: Case) -> Read:
    """Let a reader read a document. One that gives up has read nothing of it, and others go on."""
    try:
        return reader.read(case)
    except subprocess.CalledProcessError as error:
        print(f"{reader.name}, {case.name}: {error}\n{error.stderr}", file=sys.stderr)
        return Read("", 1, Cost(0.0, 0.0), failed=[str(error)])


def _row(class_name: str, reader: str, score: Score) -> str:
    cells = "" if score.cells is None else f"{score.cells:.1%}"
    values = "" if score.values is None else f"{score.values:.0%}"
    failed = f" ({score.failed} pages failed)" if score.failed else ""
    return (
        f"| {class_name} | {reader}{failed} | {score.with_order:.2%} | {score.without_order:.2%} | "
        f"{cells} | {values} | "
        f"{score.cost.processor:.3f} | {score.cost.clock:.3f} | {score.memory:.0f} |"
    )
