"""`ocr convert` as a process of its own: what the person at the terminal sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import ocr.__main__  # noqa: F401 - run as a module
from ocr_testing.pages import HARBOUR, blank, drawn, encoded, inflating, lines

SECONDS = 120.0


def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(path for path in sys.path if path)
    command: Sequence[str | Path] = [sys.executable, "-m", "ocr", "convert", *arguments]
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_files_become_markdown_in_a_folder(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pdf", tmp_path / "bad.pdf"
    good.write_bytes(drawn(lines(HARBOUR[:60]), lines("Second page.")))
    bad.write_bytes(b"%PDF-1.7")
    missing = tmp_path / "missing.pdf"
    done = run(good, bad, missing, "-o", tmp_path / "out")
    assert done.returncode == 65
    assert (tmp_path / "out/good.md").read_text() == f"{HARBOUR[:60]}\n\nSecond page.\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["good.md"]
    assert done.stdout == ""
    said = done.stderr.splitlines()
    assert len(said) == 3
    assert said[0].startswith(f"{good} -> {tmp_path}/out/good.md: 2 pages from the text layer, 0")
    assert said[1].startswith(f"{bad}: it begins like a PDF file")
    assert said[2] == f"{missing}: it cannot be read: No such file or directory"


def test_json_of_some_pages_of_an_encrypted_file(tmp_path: Path) -> None:
    file = tmp_path / "secret.pdf"
    file.write_bytes(drawn(lines("One."), lines("Two."), lines("Three."), encrypt="pass"))
    done = run(file, "--format", "json", "--pages", "2-", OCR_PASSWORD="pass")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["page_source_by_page"] == {"0002": "text_layer", "0003": "text_layer"}
    assert document["markdown"] == "Two.\n\nThree."

    refused = run(file)
    assert refused.returncode == 65
    assert refused.stderr == f"{file}: it is encrypted; give its password\n"


def test_what_needs_too_much_memory_is_ended_and_the_rest_is_converted(tmp_path: Path) -> None:
    bomb, good = tmp_path / "bomb.pdf", tmp_path / "good.pdf"
    bomb.write_bytes(inflating(600_000_000, "The page behind it."))
    good.write_bytes(drawn(lines("Another file.")))
    done = run(bomb, good, "-o", tmp_path / "out", "--memory", "1")
    assert done.returncode == 65
    assert (tmp_path / "out/bomb.md").read_text() == "The page behind it.\n"
    assert (tmp_path / "out/good.md").read_text() == "Another file.\n"
    assert done.stderr.startswith(f"{bomb}: page 1: the process that read it ended before its time")
    assert "the 1 GiB that --memory allows (reader_broke)" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run(tmp_path, tmp_path / "pipe")
    assert done.returncode == 65
    assert done.stderr.splitlines() == [
        f"{tmp_path}: it is a folder; name the files in it",
        f"{tmp_path / 'pipe'}: it is no regular file; write it into one first",
    ]


def test_a_failed_page_is_named_and_the_exit_code_says_so(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(encoded(blank(12_000, 12_000)))
    done = run(file, "--format", "json")
    assert done.returncode == 65
    assert "huge.png: page 1: it has 144,000,000 pixels" in done.stderr
    assert json.loads(done.stdout)["errors"][0]["code"] == "page_too_large"
    assert run(file, "-o", str(tmp_path / "out")).returncode == 65
    assert list((tmp_path / "out").iterdir()) == []
