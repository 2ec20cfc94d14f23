"""One response of a chat, in the form that all engines have in common."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LEAST_JUDGED = 200
"""Characters below which no text is called repetitive: a short list repeats itself, too."""

REPETITIVE_RATIO = 0.1
"""A text that shrinks to less than this share is one piece over and over; prose keeps a third."""

_TOOL_MARKS = (
    "<tool_call>",
    "<|tool_call|>",
    "<function=",
    "[TOOL_CALLS]",
    '{"name":',
    "<|python_tag|>",
)
"""How a tool call looks that no parser has taken out of the text."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a response asks for; `arguments` as the engine wrote them."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one engine made of one request.

    Attributes:
        status: of HTTP. All else is empty unless it is 200.
        refusal: the reason, if it is not.
        prompt_tokens: how many tokens the rendered prompt has; None if the engine does not say.
        completion_tokens: how many were made; None likewise.
        prompt_ids: the rendered prompt's tokens; empty if the engine does not say.
        text: the content of the first choice.
        reasoning: its thoughts, under whatever name the engine gives them.
        reasoning_field: that name; empty if there are none.
        tool_calls: of the first choice.
        finish_reason: of the first choice; empty if there is none.
        choices: how many there are.
        filled: the dotted names of the response's fields that hold something.
        logprobs: of the made tokens, if they were asked for.
        likeliest: the logprob of the token that was most likely at the first place, if alternatives
            were asked for; it does not depend on what was drawn.
    """

    status: int
    refusal: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_ids: tuple[int, ...] = ()
    text: str = ""
    reasoning: str = ""
    reasoning_field: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    choices: int = 0
    filled: frozenset[str] = field(default_factory=frozenset)
    logprobs: tuple[float, ...] = ()
    likeliest: float | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a response to judge."""
        return self.status == 200 and self.choices > 0

    @property
    def empty(self) -> bool:
        """Whether its reader gets nothing at all."""
        return not (self.text.strip() or self.tool_calls or self.reasoning.strip())

    def shown(self) -> str:
        """Return all that its reader gets, for a reader of both."""
        parts = [f"[{self.reasoning_field}] {self.reasoning}"] if self.reasoning else []
        parts += [self.text] if self.text else []
        parts += [f"[tool call] {call.name}({call.arguments})" for call in self.tool_calls]
        return "\n".join([*parts, f"[finish reason] {self.finish_reason or 'none'}"])

    @property
    def tool_call_in_text(self) -> bool:
        """Whether a tool call was left in the text."""
        return not self.tool_calls and any(mark in self.text for mark in _TOOL_MARKS)

    @property
    def repetitive(self) -> bool:
        """Whether most of a long text is one piece over and over."""
        text = self.text.encode()
        return len(text) >= LEAST_JUDGED and len(zlib.compress(text)) < REPETITIVE_RATIO * len(text)


def answer_of(status: int, document: Mapping[str, Any]) -> Answer:
    """Read a whole response of `/v1/chat/completions` or `/v1/completions`.

    A stream's events are first put together by `document_of_stream`.
    """
    choices = document.get("choices")
    if status != 200 or not isinstance(choices, list) or not choices:
        return Answer(status, refusal=_reason(document))
    first = choices[0]
    message = first.get("message") or {}
    usage = document.get("usage") or {}
    name, thoughts = _reasoning(message)
    return Answer(
        status=status,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        prompt_ids=tuple(document.get("prompt_token_ids") or first.get("prompt_token_ids") or ()),
        text=_text(message.get("content") if message else first.get("text")),
        reasoning=thoughts,
        reasoning_field=name,
        tool_calls=_tool_calls(message),
        finish_reason=first.get("finish_reason") or "",
        choices=len(choices),
        filled=frozenset(_filled(document)),
        logprobs=_logprobs(first.get("logprobs")),
        likeliest=_likeliest(first.get("logprobs")),
    )


def document_of_stream(events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the whole response that the events of a stream amount to."""
    whole: dict[str, Any] = {"choices": [], "usage": None}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        if event.get("error"):
            return {"error": event["error"]}
        if event.get("usage"):
            whole["usage"] = event["usage"]
        if event.get("prompt_token_ids"):
            whole["prompt_token_ids"] = event["prompt_token_ids"]
        for part in event.get("choices") or ():
            choice = choices.setdefault(
                part.get("index", 0), {"message": {}, "finish_reason": None}
            )
            _add_delta(choice, part)
    whole["choices"] = [choices[index] for index in sorted(choices)]
    return whole


def _add_delta(choice: dict[str, Any], part: Mapping[str, Any]) -> None:
    message = choice["message"]
    delta = part.get("delta") or {}
    if isinstance(part.get("text"), str):
        choice["text"] = choice.get("text", "") + part["text"]
    for name in ("content", *_REASONING):
        if isinstance(delta.get(name), str) and delta[name]:
            message[name] = message.get(name, "") + delta[name]
    for call in delta.get("tool_calls") or ():
        calls = message.setdefault("tool_calls", [])
        index = call.get("index", len(calls))
        while len(calls) <= index:
            calls.append({"function": {"name": "", "arguments": ""}})
        function = call.get("function") or {}
        for key in ("name", "arguments"):
            calls[index]["function"][key] += function.get(key) or ""
    if part.get("finish_reason"):
        choice["finish_reason"] = part["finish_reason"]
    said = (part.get("logprobs") or {}).get("content")
    if said:
        choice.setdefault("logprobs", {"content": []})["content"] += said


_REASONING = ("reasoning", "reasoning_content")


def _reasoning(message: Mapping[str, Any]) -> tuple[str, str]:
    for name in _REASONING:
        if message.get(name):
            return name, str(message[name])
    return "", ""


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return ""


def _tool_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    functions = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return tuple(
        ToolCall(str(each.get("name", "")), _as_text(each.get("arguments"))) for each in functions
    )


def _as_text(arguments: object) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _logprobs(said: object) -> tuple[float, ...]:
    if not isinstance(said, Mapping):
        return ()
    if isinstance(said.get("content"), list):
        return tuple(float(each["logprob"]) for each in said["content"])
    return tuple(float(each) for each in said.get("token_logprobs") or () if each is not None)


def _likeliest(said: object) -> float | None:
    content = said.get("content") if isinstance(said, Mapping) else None
    alternatives = content[0].get("top_logprobs") if isinstance(content, list) and content else None
    return max((float(each["logprob"]) for each in alternatives or ()), default=None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _filled(value: object, prefix: str = "") -> Iterable[str]:
    """Yield the names of what holds something; a list is looked at by its first element."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inner not in (None, "", [], {}):
                yield f"{prefix}{name}"
                yield from _filled(inner, f"{prefix}{name}.")
    elif isinstance(value, list) and value:
        yield from _filled(value[0], f"{prefix.removesuffix('.')}[].")


def _reason(document: Mapping[str, Any]) -> str:
    error = document.get("error")
    if isinstance(error, Mapping):
        return str(error.get("message", ""))
    return str(error or document.get("message") or document.get("detail") or "")
