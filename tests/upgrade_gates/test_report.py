"""The report as a page and as Markdown, and what a promotion asks."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from upgrade_gates.checklist.gates import LINES
from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.session import Session
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import finding, lock_text, make_workspace

CONTEXT = """\
matrix = "B"
owner = "<Ada> | & co"
[artefacts]
runtime_lock = "inference.lock"
[serving]
url = "http://127.0.0.1:1/v1"
model = "m"
"""
VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that tags are balanced, and collects addresses and text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself, in SVG."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def baseline(check: str, day: int, figures: dict[str, Figure]) -> Finding:
    then = datetime.datetime(2026, 11, day, 12, tzinfo=datetime.UTC)
    return Finding(
        check=check,
        verdict=Verdict.PASS,
        reason="measured",
        started_at=then,
        finished_at=then,
        figures={"model": "m", **figures},
    )


@pytest.fixture()
def session(tmp_path: Path) -> Session:
    """An upgrade with two baselines."""
    (tmp_path / "inference.lock").write_text(lock_text())
    session = make_workspace(tmp_path, CONTEXT)
    session.store.append([finding("5.no-engine", reason="none <b>")], command=["x"])
    for day in (20, 21):
        latency: dict[str, Figure] = {
            "ttft_p50_c1_ms": 100.0 * day,
            "ttft_p95_c1_ms": 150.0 * day,
            "inter_token_p50_c1_ms": 7.5,
            "inter_token_p95_c1_ms": None,
        }
        rates: dict[str, Figure] = {
            f"tokens_per_second_c{level}": 10.0 * level for level in (1, 4, 16)
        }
        session.store.append(
            [
                baseline("3.baseline.ttft", day, latency),
                baseline("3.baseline.throughput", day, rates),
            ],
            command=["upgrade_gates", "serving", "verify"],
        )
    return session


def test_the_page_stands_alone_and_shows_everything(session: Session) -> None:
    base = session.workspace.base
    done = run(base, "report", "-o", "out")
    assert done.returncode == 0
    assert done.stdout.split() == ["out/report.html", "out/report.md"]
    source = (base / "out" / "report.html").read_text()
    page = Page()
    page.feed(source)
    assert page.open == []
    assert all(address.startswith("#gate-") for address in page.addresses)
    assert "<script" not in source
    assert "url(" not in source
    text = " ".join(page.text)
    assert all(f" {line_id} " in f"{text} " for line_id in LINES)
    assert "<Ada> | & co" in text
    assert "none <b>" in text
    assert hashlib.sha256((base / "inference.lock").read_bytes()).hexdigest() in text
    drawings = re.findall(r"<svg.*?</svg>", source)
    assert len(drawings) == 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
    assert "p50: 2100 ms" in drawings[0]
    assert drawings[2].count('class="bar') == 6


def test_markdown_has_the_same(session: Session) -> None:
    base = session.workspace.base
    run(base, "report")
    text = (base / ".upgrade" / "report.md").read_text()
    assert all(f"| {line_id} |" in text for line_id in LINES)
    assert "| 2026-11-21 12:00 | pass | 2100, 3150 | 7.5, - | 10 | 40 | 160 |" in text
    rows = [line for line in text.splitlines() if re.match(r"\| \d\.", line)]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}


def test_a_report_of_nothing_and_of_damage(tmp_path: Path) -> None:
    session = make_workspace(tmp_path)
    assert run(tmp_path, "report").returncode == 0
    assert "<svg" not in (tmp_path / ".upgrade/report.html").read_text()
    session.store.append([finding("2.environment")], command=["x"])
    (file,) = session.workspace.evidence.glob("*.json")
    file.write_text("{}")
    run(tmp_path, "report")
    for name in ("report.html", "report.md"):
        assert "Damaged evidence" in (tmp_path / ".upgrade" / name).read_text()


def show_all(session: Session, prefixes: tuple[str, ...]) -> None:
    lines = [line for line in LINES.values() if line.id.startswith(prefixes) and not line.parts]
    session.store.append(
        [finding(line.id, subjects=session.artefacts.digests(line.binds)) for line in lines],
        command=["x"],
    )


def test_what_a_promotion_asks(session: Session) -> None:
    base = session.workspace.base
    ask = ("evidence", "fresh", "--for", "promotion", "--output", "promotion.json")
    missing = run(base, *ask)
    assert missing.returncode == 1
    document = json.loads(missing.stdout)
    assert document["holds"] is False
    assert "2.environment: open (run: upgrade_gates runtime verify)" in document["missing"]
    assert json.loads((base / "promotion.json").read_text()) == document

    show_all(session, ("2.", "3.", "4.", "5.", "6.smoke"))
    held = run(base, *ask)
    document = json.loads(held.stdout)
    assert (held.returncode, document["holds"], document["missing"]) == (0, True, [])
    digest = hashlib.sha256((base / "inference.lock").read_bytes()).hexdigest()
    assert document["artefacts"] == {"runtime_lock": digest}
    assert [gate["gate"] for gate in document["gates"]] == [2, 3, 4, 5, 6]
    shown = next(line for line in document["gates"][0]["lines"] if line["id"] == "2.environment")
    assert shown["artefacts"]["runtime_lock"] == digest
    assert {line["id"] for line in document["gates"][4]["lines"]} == {
        *("6.smoke.chat", "6.smoke.embeddings", "6.smoke.rerank", "6.smoke.ocr"),
    }

    (base / "inference.lock").write_text("vllm==0.14.1\n")
    stale = json.loads(run(base, *ask).stdout)
    said = "2.environment: stale: runtime_lock changed (run: upgrade_gates runtime verify)"
    assert said in stale["missing"]
    only = run(base, "evidence", "fresh", "--gate", "4")
    assert (only.returncode, json.loads(only.stdout)["for"]) == (0, "gates")


def test_damage_anywhere_refuses_a_promotion(session: Session) -> None:
    show_all(session, ("2.", "3.", "4.", "5.", "6.smoke"))
    first = min(session.workspace.evidence.glob("*.json"))
    first.write_text("{}")
    refused = run(session.workspace.base, "evidence", "fresh")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["damaged"][0].startswith(first.name)


def test_the_report_begins_with_the_verdict_and_what_is_wrong(session: Session) -> None:
    base = session.workspace.base
    bound = session.artefacts.digests(LINES["2.sanity.vllm"].binds)
    why = "vLLM <does> not import"
    failed = finding("2.sanity.vllm", Verdict.FAIL, reason=why, subjects=bound)
    session.store.append([failed], command=["x"])
    run(base, "report")
    for name in ("report.html", "report.md"):
        text = (base / ".upgrade" / name).read_text()
        order = [
            text.index("Not ready. Failing: 1, the first is 2.sanity.vllm."),
            text.index("What is wrong"),
            text.index("not import"),
            text.index("What is left, in order"),
            text.index("upgrade_gates choose-matrix --matrix A|B"),
            text.index("Baselines of m"),
        ]
        assert order == sorted(order)


def test_what_was_not_measured_has_no_chart(tmp_path: Path) -> None:
    session = make_workspace(tmp_path, CONTEXT)
    figures: dict[str, Figure] = {"ttft_p50_c1_ms": None, "ttft_p95_c1_ms": None}
    figures["inter_token_p50_c1_ms"] = 7.5
    session.store.append([baseline("3.baseline.ttft", 20, figures)], command=["x"])
    run(tmp_path, "report")
    source = (tmp_path / ".upgrade/report.html").read_text()
    assert source.count("<svg") == 1
    assert "Time to first token, one request at a time: not measured." in source
    assert '<li><span class="key s1">' not in source
