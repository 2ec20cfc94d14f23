"""`--engine vision` as its users have it: real pages over a real socket to a model that reads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

import ocr.__main__  # noqa: F401 - run as a module
from ocr_testing.pages import (
    HARBOUR,
    SURVEY,
    Draw,
    drawn,
    lines,
    paragraph,
    pictured,
    scan,
    set_in_columns,
    table,
)
from ocr_testing.vision_server import ReadingModel, server

SECONDS = 120.0
KEY = {"OCR_VISION_API_KEY": "engine-secret"}
SHORT = "A short page."


def scanned(pdf: bytes) -> Draw:
    return pictured(scan(pdf, 200), 0, 0, 595)


TABLE = set_in_columns([paragraph("Depths", "Heading1"), table([["Pier", "3.4"], ["Quay", "5.1"]])])
SCANS = drawn(
    scanned(set_in_columns([paragraph(HARBOUR)])),
    lines(SURVEY[:60]),
    scanned(TABLE),
    scanned(drawn(lines(SHORT))),
)


def environment() -> dict[str, str]:
    path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    return {**os.environ, **KEY, "PYTHONPATH": path}


def convert(url: str, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ocr", "convert", str(file), "--engine", "vision"]
    command += ["--vision-url", url, "--vision-model", "reader", *options]
    return subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=SECONDS, check=False
    )


def test_scans_are_read_by_the_model_and_pages_with_text_are_not_sent(tmp_path: Path) -> None:
    model = ReadingModel(at_least=2)
    file = tmp_path / "scans.pdf"
    file.write_bytes(SCANS)
    with server(model) as url:
        done = convert(url, file, "--vision-profile", "balanced", "--vision-pages", "2")

    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.split("\n\n")
    assert first == HARBOUR
    assert rest[0] == SURVEY[:60]
    assert "| Pier | 3.4 |" in rest[-2]
    assert rest[-1] == SHORT + "\n"
    assert len(model.sizes) == 3
    for width, height in model.sizes:
        assert 1_900_000 < width * height <= 2_000_000
        assert height / width == pytest.approx(842 / 595, rel=0.01)
    assert model.keys == {"Bearer engine-secret"}
    assert model.most == 2


def test_a_page_that_the_model_does_not_finish_is_an_error_with_its_number(tmp_path: Path) -> None:
    file = tmp_path / "scans.pdf"
    file.write_bytes(SCANS)
    with server(ReadingModel(words=12)) as url:
        done = convert(url, file, "--pages", "1,4", "--format", "json")

    assert done.returncode == 65
    result = json.loads(done.stdout)
    assert [(error["page"], error["code"]) for error in result["errors"]] == [(1, "page_cut_off")]
    assert result["markdown"] == SHORT
    assert result["page_source_by_page"] == {"0004": "ocr"}


def test_a_service_with_a_model_that_fails_meanwhile(tmp_path: Path) -> None:
    model = ReadingModel(faults=[(0, None), (503, {"error": {"message": "busy"}})])
    with server(model) as vision:
        options = ["--engine", "vision", "--vision-url", vision, "--vision-model", "reader"]
        options += ["--workers", "2", "--port", "0", "--data", str(tmp_path)]
        service = subprocess.Popen(
            [sys.executable, "-m", "ocr", "serve", *options],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert service.stdout is not None
            url = service.stdout.readline().removeprefix("ocr ready on ").strip()
            with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as client:
                failed = job(client)
                whole = job(client)
        finally:
            service.terminate()
            service.communicate(timeout=SECONDS)

    assert failed["status"] == "partial"
    assert {error["code"] for error in failed["errors"]} == {"engine_failed"}
    assert len(failed["errors"]) == 2
    assert any("busy" in error["message"] for error in failed["errors"]), failed["errors"]
    # What failed for want of the model is tried again when the document is sent again.
    assert whole["status"] == "complete"
    assert whole["engine"] == "reader at vision"
    assert HARBOUR in whole["markdown"]
    assert model.most <= 2
    assert not any(b"engine-secret" in path.read_bytes() for path in tmp_path.rglob("*.json"))


def job(client: httpx.Client) -> dict[str, Any]:
    """Send the scans as a job, and return its result."""
    files = {"file": ("scans.pdf", SCANS)}
    place = f"/v1/ocr/jobs/{client.post('/v1/ocr/jobs', files=files).json()['id']}"
    until = time.monotonic() + SECONDS
    with client.stream("GET", f"{place}/events") as events:
        for _ in events.iter_lines():
            assert time.monotonic() < until
    result: dict[str, Any] = client.get(f"{place}/result").json()
    return result
