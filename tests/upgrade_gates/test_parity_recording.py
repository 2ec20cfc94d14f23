"""`parity record` and `parity replay`, and the line of gate 3, with toy engines."""

from __future__ import annotations

import asyncio
import gzip
import json
import stat
from pathlib import Path

import pytest

from answer_parity.shapes import CONTINUATIONS
from upgrade_gates.checklist.gates import GATES
from upgrade_gates.errors import RecordingUnusable
from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.parity.recording import Recording
from upgrade_gates.report.content import content
from upgrade_gates.report.markdown import as_markdown
from upgrade_gates.report.page import as_page
from upgrade_gates.session import open_session
from upgrade_gates_testing.process import Done, run
from upgrade_gates_testing.toy_engine import Faults, toy_engine
from upgrade_gates_testing.workspaces import make_workspace

CONTEXT = """
[old]
url = "{old}"
model = "toy"

[serving]
url = "{new}"
model = "toy"
"""


@pytest.fixture()
def prompts(tmp_path: Path) -> Path:
    """A short file of prompts."""
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(CONTINUATIONS[:12]))
    return file


async def parity(folder: Path, *arguments: str) -> Done:
    return await asyncio.to_thread(run, folder, "parity", *arguments)


def last(folder: Path) -> Record:
    return open_session(folder).store.read().records[-1]


async def test_one_engine_after_the_other_is_compared_by_a_recording(
    tmp_path: Path, prompts: Path
) -> None:
    file = str(tmp_path / "old.recording")
    async with toy_engine() as old:
        done = await parity(tmp_path, "record", file, "--old", old.url, "--prompts", str(prompts))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "questions with their answers" in done.stdout
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o600
    async with toy_engine() as same, toy_engine(Faults(noise=0.4)) as other:
        sound = await parity(tmp_path, "replay", file, "--new", same.url, "--json")
        faulty = await parity(tmp_path, "replay", file, "--new", other.url, "--json")
        bos = await _replayed_with(tmp_path, file, Faults(bos=2))
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert json.loads(sound.stdout)["divergence"]["alone"]["prompts"] == 12
    assert faulty.returncode == 1
    assert json.loads(faulty.stdout)["causes"] == ["other weights or arithmetic"]
    assert json.loads(bos.stdout)["causes"][0] == "doubled beginning-of-sequence token"


async def _replayed_with(folder: Path, file: str, faults: Faults) -> Done:
    async with toy_engine(faults) as engine:
        return await parity(folder, "replay", file, "--new", engine.url, "--json")


async def test_what_is_no_recording_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for damaged in (b"", b"nothing", gzip.compress(b"{}"), gzip.compress(b'{"format": 1}')):
        file.write_bytes(damaged)
        with pytest.raises(RecordingUnusable, match="file is"):
            Recording.read(file)
    with pytest.raises(RecordingUnusable, match="cannot be read: No such file"):
        Recording.read(tmp_path / "none")
    Recording({"plan": {"unknown": 1}, "model": "m"}).write(file)
    done = await parity(tmp_path, "replay", str(file), "--new", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "another release of this program" in done.stderr


async def test_the_verdict_is_evidence_for_gate_3(tmp_path: Path, prompts: Path) -> None:
    async with toy_engine() as old, toy_engine(Faults(structured=())) as new:
        make_workspace(tmp_path, CONTEXT.format(old=old.url, new=new.url))
        arguments = ("verify", "--prompts", str(prompts), "--fail-fast")
        refused = await parity(tmp_path, *arguments)
        first = last(tmp_path)
        accepted = await parity(tmp_path, *arguments, "--accept", "A. Person: nobody asks for it")
    predicate = first.statement.predicate
    assert (refused.returncode, predicate.check) == (1, "3.parity")
    assert predicate.verdict is Verdict.FAIL
    assert predicate.figures["causes"] == "structured output ignored"
    assert predicate.output.text is not None
    assert "structured by response_format, new:" in predicate.output.text
    assert "⟦" in predicate.output.text
    assert {"setting:old", "setting:serving"} <= first.statement.digests().keys()
    assert accepted.returncode == 0
    reason = last(tmp_path).statement.predicate.reason
    assert reason.startswith("ACCEPTED BY A. Person: nobody asks for it; different: ")


async def test_the_recording_is_named_in_the_evidence(tmp_path: Path, prompts: Path) -> None:
    file = str(tmp_path / "old.recording")
    async with toy_engine() as engine:
        make_workspace(tmp_path, CONTEXT.format(old=engine.url, new=engine.url))
        await parity(tmp_path, "record", file, "--prompts", str(prompts))
        done = await parity(tmp_path, "replay", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "old_recording" in last(tmp_path).statement.digests()


async def test_one_address_alone_is_refused(tmp_path: Path) -> None:
    done = await parity(tmp_path, "verify", "--old", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "give both --old and --new" in done.stderr


async def test_the_report_shows_verdict_and_examples(tmp_path: Path, prompts: Path) -> None:
    async with toy_engine() as old, toy_engine(Faults(structured=())) as new:
        make_workspace(tmp_path, CONTEXT.format(old=old.url, new=new.url))
        await parity(tmp_path, "verify", "--prompts", str(prompts), "--fail-fast")
    session = open_session(tmp_path)
    judge = session.judge()
    shown = content(session.context, judge.chain, session.artefacts, judge.gates(GATES), judge.now)
    page, text = as_page(shown), as_markdown(shown)
    assert "<h2>Answer parity</h2><p><b>fail</b>" in page
    assert "<mark>" in page
    assert "## Answer parity" in text
    assert "structured output ignored" in text
