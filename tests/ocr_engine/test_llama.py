"""`ocr convert --engine vision` against llama.cpp's own server, as a user would start both."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from e2e_testing.programs import pex

SERVER = Path(__file__).parents[1] / "cpu_runtime_testing" / "llama_with_eyes.py"
SECONDS = 300.0
HEADING = 'root ::= "# " [a-z]{3,20}'
DRAWING = """
import sys, cv2, numpy
page = numpy.full((1100, 850), 255, numpy.uint8)
cv2.putText(page, "The harbour", (60, 120), cv2.FONT_HERSHEY_SIMPLEX, 2, 0, 3)
cv2.imwrite(sys.argv[1], page)
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """Give a page to read."""
    file = tmp_path / "page.png"
    command = [sys.executable, str(pex("ocr.pex")), "-c", DRAWING, str(file)]
    subprocess.run(command, env={"PEX_INTERPRETER": "1"}, check=True, timeout=SECONDS)
    return file


@contextmanager
def llama(folder: Path, tokens: int = 0, grammar: str = "") -> Iterator[str]:
    """Serve; yield the base URL."""
    program = [sys.executable, str(pex("cpu_runtime.pex")), str(SERVER), str(folder)]
    with subprocess.Popen(
        [*program, str(tokens), grammar],
        env={"PEX_INTERPRETER": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            lines = (line for line in server.stdout if line.startswith("listening on "))
            yield f"{next(lines).removeprefix('listening on ').strip()}/v1"
        finally:
            server.stdin.close()
            server.terminate()


def convert(url: str, page: Path) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the result."""
    command = [sys.executable, str(pex("ocr.pex")), "convert", str(page), "--format", "json"]
    command += ["--engine", "vision", "--vision-url", url, "--vision-model", "smollm2"]
    done = subprocess.run(
        [*command, "--vision-profile", "fast", "--seconds", str(SECONDS)],
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_an_answer_that_ends_by_itself_is_the_page(tmp_path: Path, page: Path) -> None:
    with llama(tmp_path, tokens=200, grammar=HEADING) as url:
        code, result = convert(url, page)
    assert (code, result["status"]) == (0, "complete")
    assert re.fullmatch("# [a-z]{3,20}", result["markdown"])
    assert result["output_contract"] == "ocr_markdown"


def test_an_answer_that_the_server_cuts_off_is_an_error(tmp_path: Path, page: Path) -> None:
    with llama(tmp_path, tokens=8) as url:
        code, result = convert(url, page)
    assert (code, result["status"], result["markdown"]) == (65, "failed", "")
    assert [error["code"] for error in result["errors"]] == ["page_cut_off"]


def test_a_model_without_eyes_refuses_and_that_is_passed_on(tmp_path: Path, page: Path) -> None:
    with llama(tmp_path) as url:
        code, result = convert(url, page)
    assert code == 65
    assert [error["code"] for error in result["errors"]] == ["engine_failed"]
    assert "image input is not supported" in result["errors"][0]["message"]
