"""Records: in-toto's form, a chain that shows every change, and several writers at once."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attestation_testing.records import attested
from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.evidence.chain import Chain, Head
from upgrade_gates.evidence.store import INLINE_OUTPUT_BYTES, EvidenceStore
from upgrade_gates_testing.workspaces import finding

DIGEST = "a" * 64


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    """A store with four records; the third has a long output."""
    store = EvidenceStore(tmp_path / "evidence")
    for number in range(1, 5):
        output = "long " * INLINE_OUTPUT_BYTES if number == 3 else f"output {number}"
        store.append([finding("2.environment", output=output)], command=["upgrade_gates", "x"])
    return tmp_path / "evidence"


def record(folder: Path, number: int) -> Path:
    (found,) = folder.glob(f"{number:06}-*.json")
    return found


def damaged(chain: Chain) -> list[str]:
    return [damage.record for damage in chain.damages]


def test_a_record_is_an_in_toto_statement(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    first, second = store.append(
        [
            finding("2.environment", subjects={"runtime_lock": DIGEST}, output="torch 2.9.0\n"),
            finding("2.install.torch"),
        ],
        command=["upgrade_gates", "runtime", "verify"],
    )
    statement = json.loads(first.file.read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "runtime_lock", "digest": {"sha256": DIGEST}}]
    assert statement["predicateType"].startswith("urn:querylake:")
    predicate = statement["predicate"]
    assert predicate["command"] == ["upgrade_gates", "runtime", "verify"]
    assert (predicate["verdict"], predicate["reason"]) == ("pass", "seen")
    assert predicate["output"]["text"] == "torch 2.9.0\n"
    assert predicate["output"]["sha256"] == hashlib.sha256(b"torch 2.9.0\n").hexdigest()
    assert predicate["host"]["name"]
    assert predicate["started_at"].endswith("Z")
    following = json.loads(second.file.read_text())["predicate"]
    assert following["previous"] == hashlib.sha256(first.file.read_bytes()).hexdigest()
    assert (predicate["sequence"], following["sequence"]) == (1, 2)


def test_what_was_written_is_whole(folder: Path) -> None:
    chain = EvidenceStore(folder).read()
    assert [each.sequence for each in chain.records] == [1, 2, 3, 4]
    assert chain.damages == ()
    assert chain.records[2].statement.predicate.output.text is None
    assert EvidenceStore(folder / "absent").read() == Chain((), ())


def edit(file: Path) -> None:
    file.write_text(file.read_text().replace('"seen"', '"forged"'))


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:100])


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("change", [edit, truncate, Path.unlink])
def test_every_change_is_named(folder: Path, number: int, change: Callable[[Path], object]) -> None:
    file = record(folder, number)
    change(file)
    chain = EvidenceStore(folder).read()
    expected = file.name if file.exists() else f"{number:06}-*.json"
    assert damaged(chain) == [expected]
    assert [each.sequence for each in chain.records] == [n for n in (1, 2, 3, 4) if n != number]


def test_other_kinds_of_damage(folder: Path) -> None:
    (long,) = (folder / "output").iterdir()
    long.write_text("other")
    assert damaged(EvidenceStore(folder).read()) == [record(folder, 3).name]
    long.unlink()
    assert "output is gone" in EvidenceStore(folder).read().damages[0].reason
    shutil.copy(record(folder, 2), folder / "000002-3.serve.json")
    assert "000002-3.serve.json" in damaged(EvidenceStore(folder).read())
    (folder / "HEAD").write_text("{}")
    assert "HEAD" in damaged(EvidenceStore(folder).read())


def test_a_removed_end_is_seen_by_head(folder: Path) -> None:
    for number in (3, 4):
        record(folder, number).unlink()
    assert damaged(EvidenceStore(folder).read()) == ["000003-*.json", "000004-*.json"]


def test_a_crash_between_record_and_head_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    store = EvidenceStore(folder)
    point = EvidenceStore._point

    def remembered(self: EvidenceStore, head: Head) -> None:
        point(self, head)
        heads.append((folder / "HEAD").read_bytes())

    monkeypatch.setattr(EvidenceStore, "_point", remembered)
    store.append([finding("2.environment")], command=["x"])
    announcing, _ = heads
    (folder / "HEAD").write_bytes(announcing)
    chain = store.read()
    assert (len(chain.records), chain.damages) == (5, ())
    store.append([finding("2.environment")], command=["x"])
    chain = store.read()
    assert (len(chain.records), chain.damages) == (6, ())
    # A crash before the record leaves an announcement of nothing.
    (folder / "HEAD").write_bytes(heads[-2])
    record(folder, 6).unlink()
    assert store.read().damages == ()


def test_a_record_that_was_put_there_is_no_evidence(folder: Path) -> None:
    """Neither at once, nor after others have been written."""
    forged = json.loads(record(folder, 4).read_text())
    forged["predicate"] |= {
        "sequence": 5,
        "check": "1.validate.torch",
        "previous": hashlib.sha256(record(folder, 4).read_bytes()).hexdigest(),
    }
    (folder / "000005-1.validate.torch.json").write_text(json.dumps(forged))
    store = EvidenceStore(folder)
    chain = store.read()
    assert chain.latest("1.validate.torch") is None
    assert [(each.record, each.reason) for each in chain.damages] == [
        (
            "000005-1.validate.torch.json",
            "it is not in the chain, which ends with record 4",
        )
    ]
    store.append([finding("2.environment")], command=["x"])
    chain = store.read()
    assert [each.sequence for each in chain.records] == [1, 2, 3, 4, 6]
    assert damaged(chain) == ["000005-1.validate.torch.json"]
    assert chain.damages[0].reason == "it is not in the chain: no later record leads to it"
    (folder / "HEAD").unlink()
    assert "HEAD" in damaged(store.read())


def test_a_file_out_of_place_is_named_and_a_signature_is_not(folder: Path) -> None:
    (folder / f"{record(folder, 1).name}.sigstore.json").write_text("{}")
    assert EvidenceStore(folder).read().damages == ()
    (folder / "7-1.validate.torch.json").write_text("{}")
    assert damaged(EvidenceStore(folder).read()) == ["7-1.validate.torch.json"]


def test_in_toto_takes_every_record_and_would_refuse_one_without_a_subject(folder: Path) -> None:
    assert attested(folder) == 4
    bare = json.loads(record(folder, 1).read_text()) | {"subject": []}
    record(folder, 1).write_text(json.dumps(bare))
    with pytest.raises(ValueError, match="subject"):
        attested(folder)


def test_every_record_has_a_subject(folder: Path) -> None:
    """in-toto's own libraries refuse a statement without one."""
    subjects = json.loads(record(folder, 1).read_text())["subject"]
    assert [each["name"].partition(":")[0] for each in subjects] == ["host"]
    assert len(subjects[0]["digest"]["sha256"]) == 64


def test_damage_stays_visible_and_does_not_stop_new_records(folder: Path) -> None:
    edit(record(folder, 2))
    store = EvidenceStore(folder)
    store.append([finding("2.install.torch")], command=["x"])
    chain = store.read()
    assert damaged(chain) == [record(folder, 2).name]
    latest = chain.latest("2.install.torch")
    assert latest is not None
    assert latest.sequence == 5


def append_many(folder: Path) -> None:
    for _ in range(10):
        EvidenceStore(folder).append([finding("2.environment")], command=["x"])


def test_several_writers_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(tmp_path / "e",)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    chain = EvidenceStore(tmp_path / "e").read()
    assert [each.sequence for each in chain.records] == list(range(1, 41))
    assert chain.damages == ()
    assert not list((tmp_path / "e").glob(".new-*"))


def test_output_that_is_no_text_is_kept(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    store.append([finding("2.environment", output="a\udc80b")], command=["x"])
    (kept,) = store.read().records
    assert kept.statement.predicate.output.text == "a\\udc80b"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceUnusable, match="evidence cannot be written to"):
        EvidenceStore(tmp_path / "file").append([finding("2.environment")], command=["x"])
