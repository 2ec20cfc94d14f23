"""Fields that engines have renamed, under both names: what a bridge does to bodies. Pure.

A bridge lets callers go on with the former name while the engine knows the new one only. The new
name is added, and nothing is taken from a request that names both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from typing import Any

from llm_provider.sse import data_of
from querylake_api.settings import Bridge

GUIDED: dict[Bridge, str] = {
    "guided_json": "json",
    "guided_regex": "regex",
    "guided_choice": "choice",
    "guided_grammar": "grammar",
}
"""Structured output, until vLLM 0.12 and since: what each became below `structured_outputs`."""

REASONING: dict[Bridge, tuple[str, str]] = {
    "reasoning_content": ("reasoning", "reasoning_content"),
    "reasoning": ("reasoning_content", "reasoning"),
}
"""What engines call it, and what callers read; vLLM has renamed it in 0.16."""

Rewrite = Callable[[bytes], bytes]


def bridged_request(body: bytes, bridges: Collection[Bridge]) -> tuple[bytes, list[Bridge]]:
    """Return a request's body for the engine, and the bridges that it went over."""
    if not any(f'"{bridge}"'.encode() in body for bridge in bridges):
        return body, []
    document = json.loads(body)
    used = [bridge for bridge in bridges if _bridge(document, bridge)]
    return (json.dumps(document).encode() if used else body), used


def response_rewrite(bridges: Collection[Bridge]) -> Rewrite | None:
    """Return what is to be done to each event of a stream; None for nothing."""
    names = _names(bridges)
    if not names:
        return None

    def rewrite(block: bytes) -> bytes:
        data = _mentioning(names, block)
        document = None if data is None else _object(data)
        if document is None or not add_names(document, bridges):
            return block
        return b"data: " + json.dumps(document).encode() + b"\n\n"

    return rewrite


def add_names(document: dict[str, Any], bridges: Collection[Bridge]) -> bool:
    """Add the names that callers read to a response or an event; return whether any was."""
    added = False
    for message in _messages(document):
        for told, read in _names(bridges):
            if message.get(told) and read not in message:
                message[read] = message[told]
                added = True
    return added


def _bridge(document: dict[str, Any], bridge: Bridge) -> bool:
    """Add the new name of one field to a request; return whether it was needed."""
    if bridge in GUIDED:
        return _structured(document, bridge, GUIDED[bridge])
    told, read = REASONING[bridge]
    messages = document.get("messages")
    found = False
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict) and read in message and told not in message:
            message[told] = message[read]
            found = True
    return found


def _structured(document: dict[str, Any], bridge: Bridge, name: str) -> bool:
    if document.get(bridge) is None:
        return False
    outputs = document.get("structured_outputs")
    if outputs is not None and not isinstance(outputs, dict):
        return False
    if outputs and name in outputs:
        return False
    document["structured_outputs"] = {**(outputs or {}), name: document.pop(bridge)}
    return True


def _names(bridges: Collection[Bridge]) -> list[tuple[str, str]]:
    return [REASONING[bridge] for bridge in bridges if bridge in REASONING]


def _mentioning(names: list[tuple[str, str]], block: bytes) -> bytes | None:
    """Return an event's data if it has one of the names."""
    if any(f'"{told}"'.encode() in block for told, _ in names):
        return data_of(block)
    return None


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _messages(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            for name in ("message", "delta"):
                message = choice.get(name)
                if isinstance(message, dict):
                    yield message
