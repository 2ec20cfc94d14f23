"""The official Node client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack

SOURCES = Path(__file__).with_name("node")
OLDEST_NODE = 20
SECONDS = 300


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the client from its lock into a folder, which is returned."""
    found, npm = shutil.which("node"), shutil.which("npm")
    if found is None or npm is None:
        pytest.skip("node and npm are not on PATH")
    version = _output(found, "--version")  # v20.1.2
    if int(version.lstrip("v").partition(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node is {version.strip()}; the client needs {OLDEST_NODE}")
    folder = tmp_path_factory.mktemp("node")
    for file in SOURCES.iterdir():
        shutil.copy(file, folder)
    _output(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)
    return folder


def test_what_an_application_does(node: Path, stack: Stack) -> None:
    seen: dict[str, Any] = json.loads(
        _output(
            "node",
            "chat.mjs",
            cwd=node,
            QUERYLAKE_URL=stack.url,
            QUERYLAKE_KEY=stack.key,
            QUERYLAKE_EMBEDDING_MODEL=EMBEDDING_MODEL,
        )
    )
    assert "Paris" in seen["answer"]
    assert seen["requestId"]
    assert "Paris" in seen["streamed"]
    assert seen["usage"]["completion_tokens"] > 0
    assert seen["dimensions"] == 384
    assert seen["models"] == [CHAT_MODEL, "default", EMBEDDING_MODEL]
    assert seen["left"] is True
    assert seen["error"] == {
        "name": "NotFoundError",
        "status": 404,
        "code": "model_not_found",
        "param": "model",
    }


def _output(*command: str, cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
