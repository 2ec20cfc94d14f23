"""Requests of users, answered by both engines: what is unwanted of each answer, and how often.

Each signal is a yes or no about one answer, and needs no other answer to be judged. Signals of
pairs say whether two answers differ in what the request alone decides: the tokens of its prompt.
A pair of the old engine with itself shows what is noise.

One budget of errors holds for all signals of a rollout: `ALARMS` is shared by them, and each test
may be looked at after every pair (see `pairs`). For "equivalent" every signal has to be shown
within the margin, so nothing is shared there.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from answer_parity.answers import Answer
from answer_parity.causes import REMEDIES, Cause
from answer_parity.pairs import PairedRates
from answer_parity.schema import fits
from answer_parity.verdict import Standing

ALARMS = 0.01
"""The chance that two sound engines are ever called different, over all signals of a rollout."""

MARGIN = 0.05
"""How much more often, as a share of all requests, the new engine may do something unwanted."""

PROMPT = "prompt tokens"
FAILED = "failed"

CAUSES: Mapping[str, Cause] = {
    PROMPT: Cause.TEMPLATE,
    FAILED: Cause.REFUSED,
    "structured output broken": Cause.STRUCTURED_OUTPUT,
    "tool call in the text": Cause.TOOL_PARSER,
    "tool arguments broken": Cause.STRUCTURED_OUTPUT,
    "reasoning field": Cause.REASONING_FIELD,
    "empty": Cause.WEIGHTS,
    "repetitive": Cause.WEIGHTS,
    "cut at its limit": Cause.STOPPING,
}
"""Every signal, and what it points to; the surest comes first."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What was seen of two answers to one request.

    Attributes:
        own: whether both are the old engine's.
        old: signals of the first answer.
        new: of the second.
        prompt_tokens: of both, where both say.
    """

    own: bool
    old: frozenset[str]
    new: frozenset[str]
    prompt_tokens: tuple[int, int] | None = None

    @property
    def differs(self) -> bool:
        """Whether the second has something unwanted that the first has not."""
        return bool(self.new - self.old)


def pair_of(request: Mapping[str, Any], old: Answer, new: Answer, *, own: bool) -> Pair:
    """Compare two answers to a request."""
    first, second = signals(request, old), signals(request, new)
    counted = None
    if old.prompt_tokens is not None and new.prompt_tokens is not None:
        counted = old.prompt_tokens, new.prompt_tokens
        if counted[0] != counted[1]:
            second |= {PROMPT}
    # No thoughts at all may be chance; thoughts under another name are not.
    if old.reasoning_field and new.reasoning_field not in ("", old.reasoning_field):
        second |= {"reasoning field"}
    return Pair(own, first, second, counted)


def signals(request: Mapping[str, Any], answer: Answer) -> frozenset[str]:
    """Return what is unwanted of one answer."""
    if not answer.ok:
        return frozenset({FAILED})
    cut = answer.finish_reason == "length"
    found = {
        "empty": answer.empty,
        "repetitive": answer.repetitive,
        "cut at its limit": cut,
        # What was cut off within a call is no call yet, and no fault of a parser.
        "tool call in the text": bool(request.get("tools"))
        and not cut
        and answer.tool_call_in_text,
        "tool arguments broken": not cut and not _arguments_fit(request, answer),
        "structured output broken": not _keeps_structure(request, answer),
    }
    return frozenset(name for name, holds in found.items() if holds)


def _arguments_fit(request: Mapping[str, Any], answer: Answer) -> bool:
    declared: dict[str, Any] = {}
    for tool in request.get("tools") or ():
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping):
            declared[str(function.get("name"))] = function.get("parameters")
    return all(
        call.name in declared and _is_json_of(call.arguments or "{}", declared[call.name])
        for call in answer.tool_calls
    )


def _keeps_structure(request: Mapping[str, Any], answer: Answer) -> bool:
    if answer.finish_reason != "stop" or answer.tool_calls:
        return True
    wanted = request.get("response_format")
    outputs = request.get("structured_outputs")
    if isinstance(outputs, Mapping) and isinstance(outputs.get("json"), Mapping):
        return _is_json_of(answer.text, outputs["json"])
    if isinstance(request.get("guided_json"), Mapping):
        return _is_json_of(answer.text, request["guided_json"])
    if not isinstance(wanted, Mapping) or wanted.get("type") not in ("json_object", "json_schema"):
        return True
    named = wanted.get("json_schema")
    return _is_json_of(answer.text, named.get("schema") if isinstance(named, Mapping) else None)


def _is_json_of(text: str, schema: Any) -> bool:
    try:
        return fits(json.loads(text), schema)
    except (ValueError, RecursionError):
        return False


@dataclass
class TrafficJudge:
    """Takes pairs in, and says at any time how the engines compare.

    Args:
        margin: see `MARGIN`.
    """

    margin: float = MARGIN
    pairs: int = 0
    own_pairs: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """How many pairs had a signal on the new engine only."""
    noise: Counter[str] = field(default_factory=Counter)
    """The same between two answers of the old engine."""
    _rates: dict[str, PairedRates] = field(init=False)
    _lengths: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rates = {name: PairedRates(self.margin) for name in CAUSES}

    def add(self, pair: Pair) -> None:
        """Take one pair in."""
        for name in pair.new - pair.old:
            (self.noise if pair.own else self.seen)[name] += 1
        if pair.own:
            self.own_pairs += 1
            # What two answers of the old engine differ in counts for the new one.
            for name in pair.new & {PROMPT, "reasoning field"}:
                self._rates[name].add(True, False)
            return
        self.pairs += 1
        for name, rates in self._rates.items():
            rates.add(name in pair.old, name in pair.new)
        if PROMPT in pair.new and pair.prompt_tokens is not None:
            self._lengths.append(pair.prompt_tokens)

    @property
    def standing(self) -> Standing:
        """How the engines compare by what was seen so far."""
        if self._worse():
            return Standing.DIFFERENT
        shown = math.log(1 / ALARMS)
        if all(rates.log_equivalent >= shown for rates in self._rates.values()):
            return Standing.EQUIVALENT
        return Standing.NOT_DECIDED

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What explains a difference, the surest first."""
        return tuple(dict.fromkeys(CAUSES[name] for name in self._worse()))

    def sentence(self) -> str:
        """Return the standing with its figures."""
        worse = self._worse()
        if worse:
            told = "; ".join(self._told(name) for name in worse)
            remedy = REMEDIES[CAUSES[worse[0]]]
            return f"the candidate's answers are different: {told}. First: {remedy}"
        if self.standing is Standing.EQUIVALENT:
            return (
                f"the candidate's answers are equivalent: in {self.pairs} pairs no signal is "
                f"{self.margin:.0%} of all requests worse"
            )
        weakest = min(self._rates, key=lambda name: self._rates[name].log_equivalent)
        return (
            f"whether the candidate's answers are equivalent is not decided after {self.pairs} "
            f"pairs; the widest gap is in {weakest!r} ({self._told(weakest)})"
        )

    def document(self) -> dict[str, Any]:
        """Return everything, for showing."""
        return {
            "standing": self.standing.value,
            "sentence": self.sentence(),
            "causes": [cause.value for cause in self.causes],
            "pairs": self.pairs,
            "own_pairs": self.own_pairs,
            "margin": self.margin,
            "signals": [
                {
                    "name": name,
                    "both": rates.both,
                    "only_old": rates.only_old,
                    "only_new": rates.only_new,
                    "noise": self.noise[name],
                    "log_different": round(rates.log_worse, 3),
                    "log_equivalent": round(rates.log_equivalent, 3),
                }
                for name, rates in self._rates.items()
            ],
        }

    def _worse(self) -> list[str]:
        enough = math.log(len(self._rates) / ALARMS)
        return [name for name, rates in self._rates.items() if rates.log_worse >= enough]

    def _told(self, name: str) -> str:
        rates = self._rates[name]
        said = f"{name!r} on the candidate only in {rates.only_new} of {self.pairs} pairs"
        said += f", on the stable stack only in {rates.only_old}"
        if name == PROMPT and self._lengths:
            old, new = self._lengths[-1]
            said += f"; for example {old} tokens and {new}"
        return said
