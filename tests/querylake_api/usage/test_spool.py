"""The spool: what a process wrote is found again, whatever cut it short."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querylake_api.usage.entry import EntryIds, begin_entry, end_entry, id_of
from querylake_api.usage.frames import Frame, Kind, decode, encode
from querylake_api.usage.orphans import Orphan, orphans, portions
from querylake_api.usage.record import UsageRecord
from querylake_api.usage.spool import Spool
from querylake_api.usage.tail import read_ends
from querylake_api_testing.finished_requests import finished_request

RECORD = finished_request()
PAYLOADS = st.dictionaries(st.text(), st.text()).map(lambda document: json.dumps(document).encode())
FRAMES = st.lists(st.builds(Frame, st.sampled_from(Kind), PAYLOADS), max_size=8)


def written(frames: list[Frame]) -> bytes:
    return b"".join(encode(frame.kind, frame.payload) for frame in frames)


@given(FRAMES, st.data())
def test_torn_at_any_byte_the_whole_lines_remain(frames: list[Frame], data: st.DataObject) -> None:
    content = written(frames)
    cut = data.draw(st.integers(0, len(content)))
    found = decode(content[:cut])
    whole = content[:cut].count(b"\n")
    assert found.frames == frames[:whole]
    assert found.damaged == 0
    # Read on from there, the rest is found as well.
    assert decode(content[found.taken :]).frames == frames[whole:]


@given(FRAMES, st.data(), st.binary(min_size=1, max_size=40))
def test_damage_costs_the_lines_that_it_touches(
    frames: list[Frame], data: st.DataObject, damage: bytes
) -> None:
    content = written(frames)
    start = data.draw(st.integers(0, len(content)))
    found = decode(content[:start] + damage + content[start + len(damage) :])
    before = content[:start].count(b"\n")
    after = content[start + len(damage) :].count(b"\n") - 1
    assert found.frames[:before] == frames[:before]
    if after > 0:
        assert found.frames[-after:] == frames[-after:]
    assert all(frame in frames for frame in found.frames)


@given(FRAMES, FRAMES, st.data())
def test_a_write_that_was_cut_short_spoils_no_other(
    before: list[Frame], after: list[Frame], data: st.DataObject
) -> None:
    line = encode(Kind.END, b'{"a": 1}')
    torn = line[: data.draw(st.integers(1, len(line) - 2))]
    found = decode(written(before) + torn + b"\n" + written(after))
    assert (found.frames, found.damaged) == (before + after, 1)


class Writer:
    """A spool that can be left as a killed process leaves it."""

    def __init__(self, folder: Path, *, max_bytes: int = 10**9, segment_bytes: int = 2000) -> None:
        self.ids = EntryIds()
        self.spool = Spool(
            folder, self.ids.source, max_bytes=max_bytes, segment_bytes=segment_bytes
        )

    def begin(self) -> str:
        entry_id = self.ids.next()
        begin = begin_entry(entry_id, RECORD.identity, RECORD.workload, RECORD.engines)
        self.spool.begin(entry_id, begin)
        return entry_id

    def end(self, entry_id: str) -> None:
        self.spool.end(entry_id, end_entry(entry_id, RECORD))

    def die(self) -> None:
        # The kernel closes what a process had open, and the locks go with it.
        if self.spool._file is not None:
            os.close(self.spool._file)
        os.close(self.spool._lock)


def outcomes(folder: Path) -> dict[str, str]:
    """Empty the orphans of a folder."""
    found: dict[str, str] = {}
    with orphans(folder) as spools:
        for orphan in spools:
            for portion in portions(orphan):
                for entry in map(json.loads, portion.entries):
                    assert entry["id"] not in found
                    found[entry["id"]] = entry["outcome"]
            orphan.remove()
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=60))
def test_whoever_died_left_a_record_of_every_request(steps: list[int]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = Writer(folder)
        under_way: list[str] = []
        ended: list[str] = []
        for step in steps:
            if step and under_way:
                ended.append(under_way.pop(step % len(under_way)))
                writer.end(ended[-1])
            else:
                under_way.append(writer.begin())
        writer.die()
        expected = dict.fromkeys(ended, "success") | dict.fromkeys(under_way, "lost_in_crash")
        assert outcomes(folder) == expected
        assert not list(folder.iterdir())


def test_the_spool_of_the_living_is_left_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    first = writer.begin()
    assert outcomes(tmp_path) == {}
    writer.die()
    with orphans(tmp_path) as mine, orphans(tmp_path) as yours:
        assert (len(mine), len(yours)) == (1, 0)  # one at a time
    assert outcomes(tmp_path) == {first: "lost_in_crash"}


def test_a_file_goes_when_the_database_has_it_and_requests_under_way_move_on(
    tmp_path: Path,
) -> None:
    writer = Writer(tmp_path)
    long_one = writer.begin()
    while len(writer.spool.segments) < 3:
        writer.end(writer.begin())
    for segment in list(writer.spool.segments)[:2]:
        segment.taken = segment.size
    writer.spool.drop_taken()
    assert len(list(tmp_path.glob("*.spool"))) == 1
    writer.die()
    assert outcomes(tmp_path)[long_one] == "lost_in_crash"


def test_what_was_not_taken_is_for_the_next_process(tmp_path: Path) -> None:
    writer = Writer(tmp_path)
    entry_id = writer.begin()
    writer.end(entry_id)
    writer.spool.close()
    assert outcomes(tmp_path) == {entry_id: "success"}


def test_the_bound_refuses_and_what_is_under_way_may_end(tmp_path: Path) -> None:
    writer = Writer(tmp_path, max_bytes=5000, segment_bytes=10**6)
    first = writer.begin()
    while not writer.spool.refused:
        writer.begin()
    assert "5000 bytes" in str(writer.spool.fault)
    assert writer.spool.bytes < 6000
    refused = writer.spool.refused
    writer.end(first)
    assert writer.spool.refused == refused
    writer.end(writer.ids.next())
    assert writer.spool.refused == refused + 1


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a disk that is full."""
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_costs_what_it_refuses_and_no_more(tmp_path: Path) -> None:
    writer = Writer(tmp_path, segment_bytes=1000)
    with file_size_limit(500):
        while not writer.spool.refused:  # what was allocated at the start takes some
            lost = writer.begin()
    assert writer.spool.refused == 1
    assert os.strerror(errno.EFBIG) in str(writer.spool.fault)
    good = writer.begin()
    assert writer.spool.refused == 1
    with file_size_limit(500):
        while writer.spool.refused == 1:  # there is room for some more in what was allocated
            writer.begin()
    refused = writer.spool.refused
    writer.end(good)
    writer.end(lost)
    assert writer.spool.refused == refused
    assert not list(tmp_path.glob("*.tmp"))
    writer.die()
    found = outcomes(tmp_path)
    assert (found[good], found[lost]) == ("success", "success")
    assert set(found.values()) == {"success", "lost_in_crash"}


def test_on_a_full_disk_records_go_on_while_the_database_takes_them(tmp_path: Path) -> None:
    writer = Writer(tmp_path, segment_bytes=1000)
    written: set[str] = set()
    with file_size_limit(500):
        for _ in range(100):
            entry = writer.begin()
            writer.end(entry)
            written.add(entry)
            assert len(writer.spool.segments) <= 3
            for segment in writer.spool.segments:
                segment.taken = segment.size
            writer.spool.drop_taken()
    assert writer.spool.refused == 0
    last = writer.begin()
    writer.die()
    found = outcomes(tmp_path)
    assert found.pop(last) == "lost_in_crash"
    assert set(found) <= written, "what was recycled is not read again as something else"
    assert len(found) < 10
    assert not list(tmp_path.glob("*.spare"))


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "free space"), (errno.EMFILE, "limit of open files"), (errno.EIO, "its disk")],
)
def test_the_advice_fits_the_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    writer = Writer(tmp_path, segment_bytes=1000)

    def fails(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("querylake_api.usage.spool.allocate", fails)
    while not writer.spool.refused:
        writer.begin()
    assert advice in str(writer.spool.fault)
    assert "database" not in str(writer.spool.fault)


def test_room_that_was_not_used_is_given_back(tmp_path: Path) -> None:
    writer = Writer(tmp_path, segment_bytes=1000)
    while len(writer.spool.segments) < 3:
        writer.end(writer.begin())
    kept = list(writer.spool.segments)
    writer.spool.close()
    assert [segment.path.stat().st_size for segment in kept] == [segment.size for segment in kept]
    tail = read_ends(kept[0].path, 0, kept[0].size)
    assert (tail.taken, tail.damaged) == (kept[0].size, 0)


@given(st.lists(PAYLOADS, min_size=1, max_size=6), st.integers(1, 5000), st.data())
def test_holes_cost_the_lines_that_they_touch(
    payloads: list[bytes], zeros: int, data: st.DataObject
) -> None:
    # As a power failure leaves pages that were never written to the disk.
    lines = [encode(Kind.END, b'{"id":"%036d","p":%b}' % (n, p)) for n, p in enumerate(payloads)]
    hole = data.draw(st.integers(0, len(lines) - 1))
    content = [bytes(len(line)) if n == hole else line for n, line in enumerate(lines)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "x.00000001.spool")
        path.write_bytes(b"".join(content) + bytes(zeros))
        found = list(portions(Orphan(Path(name, "x.lock"), (path,))))
    entries = [entry for portion in found for entry in portion.entries]
    assert entries == [line[10:-1] for n, line in enumerate(lines) if n != hole]
    assert not any(portion.damaged for portion in found)


@given(frames=FRAMES, damage=st.sampled_from([b"", b"E0\n", b"B0\n"]))
def test_lines_that_nobody_asks_for_are_left_out(frames: list[Frame], damage: bytes) -> None:
    found = decode(written(frames) + damage, skipped=Kind.BEGIN)
    assert found.frames == [frame for frame in frames if frame.kind is Kind.END]
    assert found.damaged == damage.startswith(b"E")


def test_ids_are_uuids_that_grow() -> None:
    first, second = EntryIds(), EntryIds()
    ids = [first.next() for _ in range(3)]
    assert ids == sorted(ids)
    assert second.source != first.source
    for text in ids:
        assert uuid.UUID(text).version == 8
        assert uuid.UUID(text).variant == uuid.RFC_4122


def test_an_entry_begins_with_its_id() -> None:
    entry_id = EntryIds().next()
    begin = begin_entry(entry_id, RECORD.identity, RECORD.workload, RECORD.engines)
    assert id_of(begin) == id_of(end_entry(entry_id, RECORD)) == entry_id


def test_an_entry_has_every_field_of_the_record_and_no_other() -> None:
    entry = json.loads(end_entry(EntryIds().next(), RECORD))
    assert set(entry) == set(UsageRecord.model_fields)
