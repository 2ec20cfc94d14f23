"""Which prompts are compared: the built-in ones, or the operator's own from a file."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from answer_parity.shapes import CONTINUATIONS, Body
from upgrade_gates.errors import PromptsUnusable


def built_in() -> list[Body]:
    """Return prompts of many kinds and languages."""
    return [_chat(text) for text in CONTINUATIONS]


def from_file(file: Path) -> list[Body]:
    """Read one prompt a line: a JSON string, a request of `/v1/chat/completions`, or plain text.

    Raises:
        PromptsUnusable: it cannot be read, or holds none.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptsUnusable(f"--prompts: {file} cannot be read: {error}") from None
    bodies = [
        _body(line.strip(), f"{file}:{at}") for at, line in enumerate(lines, 1) if line.strip()
    ]
    if not bodies:
        raise PromptsUnusable(f"--prompts: {file} holds no prompt; write one a line")
    return bodies


def texts(bodies: Iterable[Body]) -> list[str]:
    """Return what embedders are compared by: the text of each prompt's last message."""
    contents = (body["messages"][-1].get("content") for body in bodies if body["messages"])
    return [content for content in contents if isinstance(content, str) and content]


def _body(line: str, place: str) -> Body:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return _chat(line)
    if isinstance(said, str):
        return _chat(said)
    if isinstance(said, Mapping) and isinstance(said.get("messages"), list):
        # What is compared is what the engines make of the prompt; how to sample is ours to say.
        return {name: said[name] for name in ("messages", "tools") if name in said}
    raise PromptsUnusable(f"{place} is neither text nor a request with 'messages'")


def _chat(text: str) -> Body:
    return {"messages": [{"role": "user", "content": text}]}
