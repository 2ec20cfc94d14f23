"""Exact questions: one request tells whether the new engine does what the old one does.

A probe is a request and a judge. The judge sees both answers and says what is different; it knows
nothing of engines, and asks nothing of a model's wits: a finish reason, a field, a schema.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from answer_parity.answers import Answer
from answer_parity.causes import Cause, Finding
from answer_parity.shapes import PERSON_SCHEMA, STRICT_WEATHER_TOOL, WEATHER_TOOL, Body
from answer_parity.side_by_side import Example

Judge = Callable[[Answer, Answer], "tuple[Cause, str] | None"]

_QUESTION = [{"role": "user", "content": "What is the weather in Bern?"}]
_PERSON = [{"role": "user", "content": "Invent a person. Answer with JSON: name and age."}]
_COUNT = [{"role": "user", "content": "Count: one, two, three, four, five, six, seven, eight."}]

LOGPROB_TOLERANCE = 0.05
"""Nats by which a token's own logarithm may differ between two sound engines."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that both engines get, and how its answers are judged.

    Attributes:
        name: in a word.
        body: of `/v1/chat/completions`, without `model`; greedy unless it says otherwise.
        judge: says what is different, if anything is.
        streams: whether it is sent as a stream, too, which must amount to the same.
        promised: whether the protocol promises what is asked for; a difference in what it leaves
            open is worth a notice and no more.
    """

    name: str
    body: Body
    judge: Judge
    streams: bool = False
    promised: bool = True

    def find(self, old: Answer, new: Answer) -> Finding | None:
        """Judge the answers of both engines. An old engine that refuses shows nothing."""
        if not old.ok:
            return None
        if not new.ok:
            says = f"status {new.status}: {new.refusal[:200]}"
            return Finding(self.name, cause_of_refusal(new.refusal), says)
        told = self.judge(old, new)
        if told is None:
            return None
        return Finding(self.name, *told, Example(self.name, old.shown(), new.shown()))


def find_in_stream(probe: Probe, whole: Answer, streamed: Answer) -> Finding | None:
    """Judge whether an engine streams what it answers as a whole, for greedy requests."""
    if not whole.ok or not streamed.ok:
        return None
    if "tools" in probe.body and whole.finish_reason == "length":
        # No protocol says what half a call is: engines show its text in a whole answer, and keep
        # it back in a stream.
        return None
    for what in ("text", "finish_reason", "tool_calls"):
        left, right = getattr(whole, what), getattr(streamed, what)
        if left != right:
            says = f"{what}: whole {_short(left)}, streamed {_short(right)}"
            return Finding(f"{probe.name}, streamed", Cause.STREAM, says)
    return None


def probes() -> Iterator[Probe]:
    """Yield every probe, those first by which engines have changed most often.

    Prompts' tokens are compared apart from these, by shape.
    """
    structured = [
        Probe(
            f"structured by {name}",
            {"messages": _PERSON, "max_tokens": 120, **fields},
            _keeps_structure,
        )
        for name, fields in STRUCTURED_FIELDS.items()
    ]
    yield structured[0]
    yield Probe("reasoning", {"messages": _COUNT, "max_tokens": 60}, _same_reasoning_field)
    named = {"type": "function", "function": {"name": "get_weather"}}
    yield _forced_tool("named tool, strict", named, STRICT_WEATHER_TOOL)
    yield Probe(
        "tool if wanted",
        {"messages": _QUESTION, "tools": [WEATHER_TOOL], "max_tokens": 120},
        _calls_are_parsed,
    )
    yield Probe("length", {"messages": _COUNT, "max_tokens": 3}, _same_finish, streams=True)
    yield Probe("stop string", {"messages": _COUNT, "max_tokens": 60, "stop": ["e"]}, _same_finish)
    yield Probe("two choices", {"messages": _COUNT, "max_tokens": 2, "n": 2}, _same_choices)
    yield _forced_tool("required tool, strict", "required", STRICT_WEATHER_TOOL)
    yield _forced_tool("named tool", named, WEATHER_TOOL)
    yield _forced_tool("required tool", "required", WEATHER_TOOL)
    yield from structured[1:]


def _forced_tool(name: str, choice: object, tool: Body) -> Probe:
    """Ask for a call. Only a tool that is strict promises arguments that fit its schema."""
    strict = tool is STRICT_WEATHER_TOOL
    body = {"messages": _QUESTION, "tools": [tool], "tool_choice": choice, "max_tokens": 120}
    return Probe(name, body, _calls_fit, streams=strict, promised=strict)


STRUCTURED_FIELDS: Mapping[str, Body] = {
    "response_format": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "person", "schema": PERSON_SCHEMA, "strict": True},
        }
    },
    "guided_json": {"guided_json": PERSON_SCHEMA},
    "structured_outputs": {"structured_outputs": {"json": PERSON_SCHEMA}},
    "guided_choice": {"guided_choice": ["north", "south"]},
    "guided_regex": {"guided_regex": "[0-9]{3}-[0-9]{4}"},
}
"""Every way in which structured output is asked for. Engines ignore those they do not know."""

_CHOICES = ("north", "south")


def logprob_mode(cool: Answer, hot: Answer) -> str | None:
    """Tell whether an engine's logprobs are those before or after temperature.

    Args:
        cool: an answer of one token at temperature 0.5, with logprobs and alternatives.
        hot: the same at temperature 1.5.

    Returns:
        `raw` if the temperature does not show, `processed` if it does, None if that cannot be told:
        there are no alternatives and the tokens differ, or one token is nearly certain.
    """
    left, right = cool.likeliest, hot.likeliest
    if left is None or right is None:
        if not (cool.logprobs and hot.logprobs) or cool.text != hot.text:
            return None
        left, right = cool.logprobs[0], hot.logprobs[0]
    if max(left, right) > -0.02:
        return None
    return "raw" if math.isclose(left, right, abs_tol=LOGPROB_TOLERANCE) else "processed"


def _same_finish(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    if old.finish_reason == new.finish_reason:
        return None
    return Cause.STOPPING, f"finish reason {old.finish_reason!r}, and {new.finish_reason!r} now"


def _same_choices(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    if old.choices == new.choices:
        return None
    return Cause.FIELD, f"{old.choices} choices, and {new.choices} now"


def _same_reasoning_field(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    if old.reasoning_field in ("", new.reasoning_field):
        return None
    return (
        Cause.REASONING_FIELD,
        f"reasoning in `{old.reasoning_field}`, and in "
        + (f"`{new.reasoning_field}` now" if new.reasoning_field else "no field now"),
    )


def _calls_fit(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    # A call that is cut off at its limit says nothing: engines differ in what they make of it.
    if not _fits(old) or _fits(new) or new.finish_reason == "length":
        return None
    if new.tool_calls:
        says = f"the arguments do not fit the schema: {_short(new.tool_calls[0].arguments)}"
        return Cause.STRUCTURED_OUTPUT, says
    return Cause.TOOL_PARSER, f"no tool call, and the text {_short(new.text)}"


def _calls_are_parsed(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    if new.finish_reason == "length":
        return None
    if new.tool_call_in_text and not old.tool_call_in_text:
        return Cause.TOOL_PARSER, f"the call is in the text: {_short(new.text)}"
    if old.tool_calls and not new.tool_calls:
        return Cause.TOOL_PARSER, f"a call before, and the text {_short(new.text)} now"
    return None


def _fits(answer: Answer) -> bool:
    """Whether an answer calls the weather tool as its schema wants it."""
    for call in answer.tool_calls:
        arguments = _json(call.arguments)
        if call.name == "get_weather" and isinstance(arguments, dict):
            unit = arguments.get("unit", "celsius")
            fields = arguments.keys() <= {"city", "unit"}
            if (
                isinstance(arguments.get("city"), str)
                and fields
                and unit in ("celsius", "fahrenheit")
            ):
                return True
    return False


def _keeps_structure(old: Answer, new: Answer) -> tuple[Cause, str] | None:
    if not _is_structured(old) or _is_structured(new):
        return None
    return (
        Cause.STRUCTURED_OUTPUT,
        f"{_short(old.text)} before, and {_short(new.text)} now, which is not what was asked for",
    )


def _is_structured(answer: Answer) -> bool:
    """Whether an answer is what one of `STRUCTURED_FIELDS` asks for, or was on its way there."""
    text = answer.text.strip()
    if text in _CHOICES:
        return True
    if len(text) == 8 and text[3] == "-" and (text[:3] + text[4:]).isdigit():
        return True
    if answer.finish_reason == "length":
        # Cut off: a constrained text still begins as an object does.
        return text.startswith("{") and not text.startswith("{}")
    document = _json(text)
    return (
        isinstance(document, dict)
        and document.keys() == {"name", "age"}
        and isinstance(document["name"], str)
        and isinstance(document["age"], int)
    )


def cause_of_refusal(refusal: str) -> Cause:
    """Return why an engine refuses what the other one takes, by its words."""
    lower = refusal.lower()
    if "context length" in lower or "maximum model length" in lower or "too long" in lower:
        return Cause.CONTEXT
    if "tool-call-parser" in lower or "auto tool choice" in lower or "tool choice" in lower:
        return Cause.TOOL_PARSER
    return Cause.REFUSED


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."
