"""The examples of docs/clients.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from e2e_testing.stack import Stack

SECONDS = 300
ADDRESS, KEY = "http://127.0.0.1:8000", "sk-..."


def document() -> str:
    """Return the document: in Pants' sandbox as in a checkout, at the root of the sources."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (found := folder / "docs" / "clients.md").is_file():
            return found.read_text(encoding="utf-8")
    pytest.fail("docs/clients.md is not here")


def examples(language: str) -> dict[str, str]:
    """Return the blocks in a language, by the headings that they are below."""
    found: dict[str, str] = {}
    heading = ""
    for title, name, code in re.findall(
        r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", document(), re.MULTILINE | re.DOTALL
    ):
        heading = title or heading
        if name == language:
            found[heading] = code
    return found


def run(stack: Stack, code: str, *command: str, folder: Path) -> str:
    done = subprocess.run(
        [*command, code.replace(ADDRESS, stack.url).replace(KEY, stack.key)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("client", ["OpenAI", "Anthropic", "LangChain", "LlamaIndex"])
def test_an_example_in_python(stack: Stack, client: str, tmp_path: Path) -> None:
    printed = run(stack, examples("python")[client], sys.executable, "-c", folder=tmp_path)
    assert printed.strip()


def test_the_example_for_curl(stack: Stack, tmp_path: Path) -> None:
    printed = run(stack, examples("sh")["curl"], "sh", "-c", folder=tmp_path)
    assert '"object":"chat.completion"' in printed


def test_every_client_in_the_table_has_an_example_or_is_in_the_tests() -> None:
    shown = set(re.findall(r"^## (.+)$", document(), re.MULTILINE))
    for client in ("curl", "OpenAI", "Anthropic", "LangChain", "AI SDK", "LiteLLM", "Open WebUI"):
        assert client in shown
    assert {"Claude Code", "Codex"} <= shown
