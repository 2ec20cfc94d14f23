"""What `init` asks a person at a terminal, of what was not given as an option."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import typer

Ask = Callable[[str, str], str]
"""Asks a question with a default, and returns the answer; empty where there is none."""


@dataclass(frozen=True)
class Answers:
    """What an upgrade is about, as far as it was said; None for what was not."""

    serving_url: str | None = None
    model: str | None = None
    serving_key_env: str | None = None
    runtime_url: str | None = None
    old_url: str | None = None
    old_model: str | None = None
    old_key_env: str | None = None
    api_url: str | None = None
    api_model: str | None = None
    api_key_env: str | None = None
    admin_key_env: str | None = None


QUESTIONS = (
    ("serving_url", "New engine's address, up to and with /v1", None),
    ("model", "What the new engine calls the model", "serving_url"),
    ("serving_key_env", "Environment variable with the new engine's key", "serving_url"),
    ("runtime_url", "Address of the new engine's supervisor (vllm_runtime)", "serving_url"),
    ("old_url", "Old engine's address, up to and with /v1", None),
    ("old_model", "What the old engine calls the model", "old_url"),
    ("old_key_env", "Environment variable with the old engine's key", "old_url"),
    ("api_url", "The API's address, without /v1", None),
    ("api_model", "What the API's clients call the model (its id, no alias)", "api_url"),
    ("api_key_env", "Environment variable with a client's key", "api_url"),
    ("admin_key_env", "Environment variable with a key of scope admin", "api_url"),
)
"""Each field with its question, and the field without which it means nothing."""

_PROPOSED = {"api_key_env": "QUERYLAKE_API_KEY", "admin_key_env": "QUERYLAKE_ADMIN_KEY"}
_AS_BEFORE = {
    "old_model": "model",
    "api_model": "model",
    "old_key_env": "serving_key_env",
}


def answered(given: Answers, ask: Ask) -> Answers:
    """Ask for what was not given.

    Args:
        ask: gets a question and what is proposed.
    """
    found = given
    for field, question, needs in QUESTIONS:
        if getattr(found, field) is not None or (needs and getattr(found, needs) is None):
            continue
        proposed = _PROPOSED.get(field, "")
        if field in _AS_BEFORE:
            proposed = getattr(found, _AS_BEFORE[field]) or ""
        answer = ask(question, proposed).strip()
        if answer:
            found = replace(found, **{field: answer})
    return found


def at_a_terminal() -> bool:
    """Return whether there is somebody to ask."""
    return sys.stdin.isatty()


def prompt(question: str, proposed: str) -> str:
    """Ask the person at the terminal; Enter takes what is proposed, or leaves it out."""
    hint = "" if proposed else " (Enter to leave it out)"
    return str(typer.prompt(f"{question}{hint}", default=proposed, show_default=bool(proposed)))


def assumed(given: Answers) -> list[str]:
    """Return what was neither given nor asked and is taken for granted, for the person to check."""
    said = []
    if given.old_url and not given.old_model and given.model:
        said.append(f"the old engine calls the model {given.model!r} too (--old-model)")
    if given.old_url and not given.old_key_env and given.serving_key_env:
        said.append(f"the old engine has the key of {given.serving_key_env} too (--old-key-env)")
    if given.api_url and not given.api_key_env:
        said.append("a client's key of the API is in QUERYLAKE_API_KEY (--api-key-env)")
    if given.api_url and not given.admin_key_env:
        said.append(
            "that key has scope `admin`, which gates 4 and 6 need to make a key of their own "
            "(--admin-key-env)"
        )
    return said
