"""The log: lines get out in their order, and never at the cost of whoever writes them."""

from __future__ import annotations

import io
import json
import threading

import pytest

from querylake_api.observability import log_writer
from querylake_api.observability.log_writer import LogWriter


class Reader(io.BytesIO):
    """What is written can be waited for, and made to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed = threading.Semaphore(0)
        self.reading = threading.Event()
        self.reading.set()

    def write(self, data: object) -> int:
        self.reading.wait(60)
        return super().write(data)  # type: ignore[arg-type]  # it is bytes

    def flush(self) -> None:
        self.flushed.release()


def lines(reader: Reader) -> list[bytes]:
    return reader.getvalue().splitlines()


def test_lines_get_out_in_their_order_whoever_makes_them() -> None:
    reader = Reader()
    writer = LogWriter(reader)
    writer.write(b"one")
    writer.write_later(lambda: b"two")
    writer.write(b"three")
    writer.close()
    assert lines(reader) == [b"one", b"two", b"three"]


def test_a_line_after_a_silence_gets_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "BATCH_SECONDS", 0.001)
    monkeypatch.setattr(log_writer, "IDLE_LOOKS", 0)
    reader = Reader()
    writer = LogWriter(reader)
    for number in range(5):
        # With no looks in vain, the thread is asleep whenever nothing is queued.
        writer.write(b"%d" % number)
        assert reader.flushed.acquire(timeout=60)
    writer.close()
    assert lines(reader) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_line_that_cannot_be_made_costs_no_other() -> None:
    def broken() -> bytes:
        raise ValueError('a "quoted" fault')

    reader = Reader()
    writer = LogWriter(reader)
    writer.write_later(broken)
    writer.write(b"next")
    writer.close()
    fault, following = lines(reader)
    assert json.loads(fault)["fault"] == "ValueError('a \"quoted\" fault')"
    assert following == b"next"


def test_a_stuck_reader_costs_lines_that_are_counted_and_no_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_writer, "BATCH_SECONDS", 0.001)
    monkeypatch.setattr(log_writer, "MAX_LINES", 3)
    reader = Reader()
    reader.reading.clear()
    writer = LogWriter(reader)
    for number in range(10):
        writer.write(b"%d" % number)
    writer.close(timeout=0.01)
    reader.reading.set()
    writer.close(timeout=60)
    written = lines(reader)
    assert b"9" in written
    told = sum(json.loads(line)["count"] for line in written if line.startswith(b"{"))
    assert told + sum(line.isdigit() for line in written) == 10


def test_lines_that_wait_long_are_made_at_once() -> None:
    made: list[int] = []

    def line(number: int) -> bytes:
        made.append(number)
        return b"%d" % number

    reader = Reader()
    reader.reading.clear()
    writer = LogWriter(reader)
    for number in range(3 * log_writer.MAX_LATER):
        writer.write_later(lambda number=number: line(number))  # type: ignore[misc]
    assert made, "nobody reads, and nothing was made for lack of room"
    reader.reading.set()
    writer.close(timeout=60)
    assert lines(reader) == [b"%d" % number for number in range(3 * log_writer.MAX_LATER)]
