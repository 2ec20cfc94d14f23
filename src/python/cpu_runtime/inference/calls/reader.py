"""Reading a response that a schema of `grammar` has formed, while it is being written."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any, Literal

Kind = Literal["calls", "structured", "text"]

_KINDS: dict[str, Kind] = {"[": "calls", "{": "structured", '"': "text"}
_HEAD = re.compile(r'\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*')
_COMPLETE = re.compile(
    r"(?:"
    r'[^"\\]'
    r"|\\[^u]"
    r"|\\u(?![dD][89abAB])[0-9a-fA-F]{4}"
    # The two halves of a character beyond the first 65,536 make sense together only.
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r")*"
)

Delta = dict[str, Any]
"""What a chunk of OpenAI's tells of a message: `content`, `tool_calls`, or nothing."""


class ResponseReader:
    """Takes the text of a response piece by piece, and gives what it means.

    Attributes:
        calls: how many calls have begun.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._kind: Kind | None = None
        self._call = _Call()
        self._held = ""

    def feed(self, text: str) -> list[Delta]:
        """Return what a piece of the response adds to the message."""
        if self._kind is None:
            text = text.lstrip()
            if not text:
                return []
            self._kind = _KINDS.get(text[0], "structured")
            if self._kind != "structured":
                text = text[1:]
        if self._kind == "structured":
            return [{"content": text}] if text else []
        if self._kind == "text":
            return self._text(text)
        return self._read_calls(text)

    def finish_reason(self, reason: str) -> str:
        """Return why the response ended, in the words of a response with calls."""
        return "tool_calls" if reason == "stop" and self.calls else reason

    def _text(self, text: str) -> list[Delta]:
        """Return the letters of a JSON string, as far as its escapes are complete."""
        self._held += text
        match = _COMPLETE.match(self._held)
        whole = match.group() if match else ""
        self._held = self._held[len(whole) :]
        return [{"content": json.loads(f'"{whole}"', strict=False)}] if whole else []

    def _read_calls(self, text: str) -> list[Delta]:
        deltas: list[Delta] = []
        while text:
            text, name, arguments = self._call.feed(text)
            if name is not None:
                self.calls += 1
                deltas.append(_begin(self.calls - 1, name))
            if arguments:
                deltas.append(_more(self.calls - 1, arguments))
        return deltas


class _Call:
    """Reads one call after the other: `{"name": "…", "arguments": …}`."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._head: str | None = None
        self._in_arguments = False
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, text: str) -> tuple[str, str | None, str]:
        """Read on, at most to the end of the arguments.

        Returns:
            What is left to be read; the name, if it has just become known; more of the arguments.
        """
        if self._in_arguments:
            arguments, rest = self._arguments(text)
            return rest, None, arguments
        if self._head is None:
            _, begun, text = text.partition("{")
            if not begun:
                return "", None, ""
            self._head = ""
        self._head += text
        match = _HEAD.match(self._head)
        # Only with a letter of the arguments is it known that the blanks before them have ended.
        if match is None or match.end() == len(self._head):
            return "", None, ""
        self._in_arguments = True
        return self._head[match.end() :], json.loads(match.group(1)), ""

    def _arguments(self, text: str) -> tuple[str, str]:
        for at, letter in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._in_string:
                self._escaped = letter == "\\"
                self._in_string = letter != '"'
            elif letter == '"':
                self._in_string = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                if not self._depth:  # the end of the call, and not of its arguments
                    self._begin()
                    return text[:at], text[at + 1 :]
                self._depth -= 1
        return text, ""


def _begin(index: int, name: str) -> Delta:
    call = {
        "index": index,
        "id": f"call_{uuid.uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": name, "arguments": ""},
    }
    return {"tool_calls": [call]}


def _more(index: int, arguments: str) -> Delta:
    return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}
