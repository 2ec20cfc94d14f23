"""Asking two engines the same, and measuring how far their answers are apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from answer_parity.answers import Answer
from answer_parity.causes import Cause, Finding, explain_counts, explain_cut, explain_prompts
from answer_parity.probes import (
    Probe,
    cause_of_refusal,
    find_in_stream,
    logprob_mode,
    probes,
)
from answer_parity.sampling import differs_in_heat
from answer_parity.scores import ScoredText, divergence
from answer_parity.shapes import PLAIN_TEXTS, SHAPES, Body, Shape
from answer_parity.verdict import Measurements
from upgrade_gates.parity.engine import Engine, Token

BATCH = 4
"""Texts that are scored at once, to see what a batch does to the arithmetic."""

TOKENIZER_TEXTS = tuple(PLAIN_TEXTS[index] for index in (0, 3, 5, 7))
"""What tells a tokenizer from a template: plain text, code, German, Chinese."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared.

    Attributes:
        prompts: whose continuations are scored, as the bodies of chats.
        shapes: whose rendered prompts are compared.
        probes: which exact questions are asked.
        seconds: after which nothing new is begun; what was measured until then counts.
        continuation_tokens: length of each continuation.
        sampling_answers: how many are drawn to compare sampling defaults; 0 for none.
        seed: of what the old engine writes.
        fail_fast: whether the first difference ends the run.
    """

    prompts: Sequence[Body]
    shapes: Sequence[Shape] = SHAPES
    probes: Sequence[Probe] = tuple(probes())
    seconds: float = 600.0
    continuation_tokens: int = 48
    sampling_answers: int = 24
    seed: int = 1
    fail_fast: bool = False


class Comparison:
    """One run over both engines.

    Args:
        say: takes a line on what goes on.
    """

    def __init__(self, old: Engine, new: Engine, plan: Plan, say: Say) -> None:
        self._old = old
        self._new = new
        self._plan = plan
        self._say = say
        self._ends = time.monotonic() + plan.seconds

    async def run(self) -> Measurements:
        """Measure everything that the engines can be asked within the time.

        Raises:
            EngineUnusable: an engine does not answer.
        """
        findings: list[Finding] = []
        notices: list[Finding] = []
        self._say("rendering prompts")
        shapes = await self._prompts(findings)
        asked = 0
        if not self._enough(findings):
            self._say("asking probes")
            asked = await self._probes(findings, notices)
        modes: list[Finding] | None = []
        if not self._enough(findings):
            modes = await self._logprob_modes()
            findings += modes or []
        if not self._enough(findings):
            findings += await self._sampling_defaults()
        measured = Measurements(
            findings=findings,
            notices=notices,
            probes=asked,
            shapes=shapes,
            logprobs=modes is not None,
        )
        if self._enough(findings):
            return measured
        alone, in_batch, noise = await self._scores()
        return replace(
            measured,
            alone=divergence(alone) if alone else None,
            in_batch=divergence(in_batch) if in_batch else None,
            noise=divergence(noise) if noise else None,
        )

    def _enough(self, findings: Sequence[Finding]) -> bool:
        return self._plan.fail_fast and bool(findings)

    @property
    def _over(self) -> bool:
        return time.monotonic() > self._ends

    async def _prompts(self, findings: list[Finding]) -> int:
        """Compare the tokens of each shape's prompt, or their numbers if that is all there is.

        Of the longest, an answer is asked for as well: what `/tokenize` renders is not cut.
        """
        longest = max(self._plan.shapes, key=lambda shape: len(str(shape.body)), default=None)
        lengths: list[tuple[int, int]] = []
        compared = 0
        for shape in self._plan.shapes:
            if self._enough(findings):
                break
            old, new = await _both(self._old.rendered(shape.body), self._new.rendered(shape.body))
            if old is not None and new is not None:
                compared += 1
                told = await self._explained(old, new)
                if told is None and shape is longest:
                    told = explain_cut(await self._counted(shape, findings))
                if told is not None:
                    findings.append(Finding(f"prompt of {shape.name}", *told))
                continue
            counted = await self._counted(shape, findings)
            if counted is not None:
                lengths.append(counted)
                compared += 1
        told = explain_counts(lengths)
        if told is not None:
            findings.append(Finding("numbers of prompt tokens", *told))
        return compared

    async def _counted(self, shape: Shape, findings: list[Finding]) -> tuple[int, int] | None:
        """Return how many prompt tokens both engines count in an answer, as far as they say."""
        body = {**shape.body, "max_tokens": 1, "temperature": 0}
        left, right = await _both(self._old.answer(body), self._new.answer(body))
        if left.ok and not right.ok:
            says = f"status {right.status}: {right.refusal[:200]}"
            cause = cause_of_refusal(right.refusal)
            findings.append(Finding(f"prompt of {shape.name}", cause, says))
        elif left.prompt_tokens is not None and right.prompt_tokens is not None:
            return left.prompt_tokens, right.prompt_tokens
        return None

    async def _explained(
        self, old: tuple[int, ...], new: tuple[int, ...]
    ) -> tuple[Cause, str] | None:
        if old == new:
            return None
        return explain_prompts(old, new, same_tokenizer=await self._same_tokenizer())

    async def _same_tokenizer(self) -> bool:
        for text in TOKENIZER_TEXTS:
            old, new = await _both(self._old.tokens(text), self._new.tokens(text))
            if old is not None and new is not None and old != new:
                return False
        return True

    async def _probes(self, findings: list[Finding], notices: list[Finding]) -> int:
        asked = 0
        for probe in self._plan.probes:
            if self._over:
                self._say("the time is over; some probes were left out")
                break
            if self._enough(findings):
                break
            body = {"temperature": 0, **probe.body}
            old, new = await _both(self._old.answer(body), self._new.answer(body))
            finding = probe.find(old, new)
            asked += old.ok
            if finding is None and probe.streams:
                finding = await self._stream(probe, body, old, new)
            if finding is not None:
                (findings if probe.promised else notices).append(finding)
        return asked

    async def _stream(self, probe: Probe, body: Body, old: Answer, new: Answer) -> Finding | None:
        """Compare a stream with the whole answer; a fault that the old engine has too is none."""
        left, right = await _both(self._old.streamed(body), self._new.streamed(body))
        if find_in_stream(probe, old, left) is not None:
            return None
        return find_in_stream(probe, new, right)

    async def _sampling_defaults(self) -> list[Finding]:
        """Find out whether both draw alike where a request does not say how."""
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": "Tell me something."}],
            "max_tokens": 16,
            "logprobs": True,
        }
        old, new = [await self._heat(engine, body) for engine in (self._old, self._new)]
        told = differs_in_heat(old, new)
        if told is None:
            return []
        return [Finding("sampling without fields", Cause.SAMPLING_DEFAULTS, told)]

    async def _heat(self, engine: Engine, body: Body) -> list[float]:
        """Return the mean logarithm of the tokens' probabilities for each of some answers."""
        answers = await _at_most(
            BATCH, [engine.answer(body) for _ in range(self._plan.sampling_answers)]
        )
        return [
            sum(answer.logprobs) / len(answer.logprobs) for answer in answers if answer.logprobs
        ]

    async def _logprob_modes(self) -> list[Finding] | None:
        """Return whether both give the same kind of logprobs; None if that cannot be told."""
        modes = [await self._logprob_mode(engine) for engine in (self._old, self._new)]
        if None in modes:
            return None
        if modes[0] == modes[1]:
            return []
        says = f"{modes[0]} logprobs, and {modes[1]} now"
        return [Finding("logprobs at two temperatures", Cause.LOGPROBS, says)]

    async def _logprob_mode(self, engine: Engine) -> str | None:
        """Ask for one token at two temperatures, until the likeliest one is not nearly certain."""
        for seed in range(12):
            body: dict[str, Any] = {
                "messages": [
                    {"role": "user", "content": f"Say any word that has {seed + 3} letters."}
                ],
                "max_tokens": 1,
                "logprobs": True,
                "top_logprobs": 2,
                "seed": seed,
            }
            cool = await engine.answer({**body, "temperature": 0.5})
            hot = await engine.answer({**body, "temperature": 1.5})
            mode = logprob_mode(cool, hot)
            if mode is not None:
                return mode
        return None

    async def _scores(
        self,
    ) -> tuple[list[ScoredText], list[ScoredText], list[ScoredText]]:
        """Let both engines score continuations of the old one: alone, in a batch, and noise."""
        alone: list[ScoredText] = []
        in_batch: list[ScoredText] = []
        noise: list[ScoredText] = []
        prompts = list(self._plan.prompts)
        for start in range(0, len(prompts), BATCH):
            if self._over:
                self._say(f"the time is over after {start} prompts")
                break
            self._say(f"scoring text, {start} of {len(prompts)} prompts")
            made = [await self._text(prompt) for prompt in prompts[start : start + BATCH]]
            texts = [text for text in made if text is not None]
            if not texts:
                return alone, in_batch, noise
            old = [await self._old.scored(tokens) for tokens, _ in texts]
            new = [await self._new.scored(tokens) for tokens, _ in texts]
            together = await _at_most(BATCH, [self._new.scored(tokens) for tokens, _ in texts])
            again = await _at_most(BATCH, [self._old.scored(tokens) for tokens, _ in texts])
            for (_, begins), left, right, loaded, repeated in zip(
                texts, old, new, together, again, strict=True
            ):
                alone += _scored(left, right, begins)
                in_batch += _scored(left, loaded, begins)
                noise += _scored(left, repeated, begins)
        return alone, in_batch, noise

    async def _text(self, prompt: Body) -> tuple[tuple[int, ...], int] | None:
        """Return a prompt's tokens with a continuation of the old engine, and where that begins."""
        rendered = await self._old.rendered(prompt)
        if rendered is None:
            return None
        body = {
            **prompt,
            "temperature": 1.0,
            "seed": self._plan.seed,
            "max_tokens": self._plan.continuation_tokens,
        }
        answer = await self._old.answer(body)
        self._old.require_sound(answer.status, "a plain chat")
        made = await self._old.tokens(answer.text) if answer.text else None
        return ((*rendered, *made), len(rendered)) if made else None


def _scored(
    old: list[Token | None] | None, new: list[Token | None] | None, begins: int
) -> list[ScoredText]:
    """Return the scores of a continuation, as far as both engines gave one."""
    if old is None or new is None:
        return []
    pairs = [
        (left, right)
        for left, right in zip(old[begins:], new[begins:], strict=True)
        if left is not None and right is not None
    ]
    if not pairs:
        return []
    return [
        ScoredText(
            tuple(left.logprob for left, _ in pairs),
            tuple(right.logprob for _, right in pairs),
            tuple(left.top == right.top for left, right in pairs),
        )
    ]


async def _both(left: Coroutine[Any, Any, Any], right: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.gather(left, right)


async def _at_most(limit: int, work: Sequence[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Do some work, so many pieces of it at a time, and return the results in order."""
    gate = asyncio.Semaphore(limit)

    async def gated(piece: Coroutine[Any, Any, Any]) -> Any:
        async with gate:
            return await piece

    return list(await asyncio.gather(*map(gated, work)))
