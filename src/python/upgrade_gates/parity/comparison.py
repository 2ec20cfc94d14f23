"""Asking two engines the same, and measuring how far their answers are apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from answer_parity.answers import Answer
from answer_parity.causes import Cause, Finding, explain_counts, explain_prompts
from answer_parity.probes import Probe, find_in_stream, logprob_mode, probes
from answer_parity.sampling import differs_in_heat
from answer_parity.scores import ScoredText, divergence
from answer_parity.shapes import PLAIN_TEXTS, SHAPES, Body, Shape
from answer_parity.verdict import Measurements
from upgrade_gates.parity.engine import Engine, Token

BATCH = 4
"""Texts that are scored at once, to see what a batch does to the arithmetic."""

CONTINUATION_TOKENS = 48
SAMPLING_ANSWERS = 24

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be compared.

    Attributes:
        prompts: whose continuations are scored, as the bodies of chats.
        shapes: whose rendered prompts are compared.
        seconds: after which nothing new is begun; what was measured until then counts.
    """

    prompts: Sequence[Body]
    shapes: Sequence[Shape] = SHAPES
    seconds: float = 600.0


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
        self._say("rendering prompts")
        findings, shapes = await self._prompts()
        self._say("asking probes")
        found, notices, asked = await self._probes()
        findings += found
        findings += await self._sampling_defaults()
        findings += await self._logprob_modes()
        alone, in_batch, noise = await self._scores()
        return Measurements(
            findings=findings,
            notices=notices,
            alone=divergence(alone) if alone else None,
            in_batch=divergence(in_batch) if in_batch else None,
            noise=divergence(noise) if noise else None,
            probes=asked,
            shapes=shapes,
        )

    @property
    def _over(self) -> bool:
        return time.monotonic() > self._ends

    async def _prompts(self) -> tuple[list[Finding], int]:
        """Compare the tokens of each shape's prompt, or their numbers if that is all there is."""
        same_tokenizer = await self._same_tokenizer()
        findings: list[Finding] = []
        lengths: list[tuple[int, int]] = []
        compared = 0
        for shape in self._plan.shapes:
            old, new = await _both(self._old.rendered(shape.body), self._new.rendered(shape.body))
            if old is not None and new is not None:
                compared += 1
                told = explain_prompts(old, new, same_tokenizer=same_tokenizer)
                if told is not None:
                    findings.append(Finding(f"prompt of {shape.name}", *told))
                continue
            body = {**shape.body, "max_tokens": 1, "temperature": 0}
            left, right = await _both(self._old.answer(body), self._new.answer(body))
            if left.ok and not right.ok:
                says = f"status {right.status}: {right.refusal[:200]}"
                findings.append(Finding(f"prompt of {shape.name}", Cause.REFUSED, says))
            elif left.prompt_tokens is not None and right.prompt_tokens is not None:
                compared += 1
                lengths.append((left.prompt_tokens, right.prompt_tokens))
        told = explain_counts(lengths)
        if told is not None:
            findings.append(Finding("numbers of prompt tokens", *told))
        return findings, compared

    async def _same_tokenizer(self) -> bool:
        for text in PLAIN_TEXTS:
            old, new = await _both(self._old.tokens(text), self._new.tokens(text))
            if old is not None and new is not None and old != new:
                return False
        return True

    async def _probes(self) -> tuple[list[Finding], list[Finding], int]:
        findings: list[Finding] = []
        notices: list[Finding] = []
        asked = 0
        for probe in probes():
            if self._over:
                self._say("the time is over; some probes were left out")
                break
            body = {"temperature": 0, **probe.body}
            old, new = await _both(self._old.answer(body), self._new.answer(body))
            finding = probe.find(old, new)
            asked += old.ok
            if finding is None and probe.streams:
                finding = await self._stream(probe, body, old, new)
            if finding is not None:
                (findings if probe.promised else notices).append(finding)
        return findings, notices, asked

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
        answers = await _at_most(BATCH, [engine.answer(body) for _ in range(SAMPLING_ANSWERS)])
        return [
            sum(answer.logprobs) / len(answer.logprobs) for answer in answers if answer.logprobs
        ]

    async def _logprob_modes(self) -> list[Finding]:
        modes = [await self._logprob_mode(engine) for engine in (self._old, self._new)]
        if None in modes or modes[0] == modes[1]:
            return []
        says = f"{modes[0]} logprobs, and {modes[1]} now"
        return [Finding("logprobs at two temperatures", Cause.LOGPROBS, says)]

    async def _logprob_mode(self, engine: Engine) -> str | None:
        """Ask for one token at two temperatures; seeds until both draw the same token."""
        for seed in range(12):
            body: dict[str, Any] = {
                "messages": [{"role": "user", "content": "Say any word."}],
                "max_tokens": 1,
                "logprobs": True,
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
            "seed": 1,
            "max_tokens": CONTINUATION_TOKENS,
        }
        answer = await self._old.answer(body)
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
