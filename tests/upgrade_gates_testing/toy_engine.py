"""A toy language model behind the routes of vLLM, sound or with one planted fault.

Its tokens are characters, and the next one depends on the last one alone. That is enough for
whatever parity asks: templates, tokens, scores, sampling, tools, structured output, load.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine, scripted_engine

_ALPHABET = "abcdefghijklmnopqrstuvwxyz .,"
_BOS = 1
_CALL = {"name": "get_weather", "arguments": '{"city": "Bern"}'}
_PERSON = '{"name": "Ada", "age": 36}'


@dataclass(frozen=True)
class Faults:
    """What is wrong with a toy engine; nothing unless it is said.

    Attributes:
        end_of_turn: what its template writes after each message.
        bos: how many tokens for the beginning of a sequence it writes.
        shift: added to the number of every token but the first: another tokenizer.
        context: prompts are cut to so many tokens.
        reads: answers read so many tokens of the prompt, whatever `/tokenize` says.
        structured: the fields for structured output that it knows.
        reasoning_field: where it puts its thoughts.
        tool_parser: whether it takes tool calls out of the text.
        temperature: of answers whose request names none.
        processed: whether its logprobs are those after temperature.
        noise: added to each logit: rounded weights, another arithmetic.
        crashed: its API server goes on, and whatever computes is gone.
        noise_in_batch: the same while it has several requests at once.
    """

    end_of_turn: str = "<end>\n"
    bos: int = 1
    shift: int = 0
    context: int = 100_000
    reads: int = 100_000
    structured: tuple[str, ...] = ("response_format", "guided_json", "guided_choice")
    reasoning_field: str = "reasoning_content"
    tool_parser: bool = True
    temperature: float = 1.0
    processed: bool = False
    noise: float = 0.0
    noise_in_batch: float = 0.0
    crashed: bool = False


@dataclass
class ToyEngine:
    """Answers requests as an engine with these faults does."""

    faults: Faults = field(default_factory=Faults)
    running: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(5))

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request; a script for `scripted_engine`."""
        path, request = exchange.request.path, exchange.request
        body = request.json() if request.body else {}
        self.running += 1
        try:
            if self.faults.noise_in_batch:
                # Long enough for requests that are sent together to be there together.
                await asyncio.sleep(0.03)
            loaded = self.running > 1
            if path == "/v1/models":
                await exchange.whole({"data": [{"id": "toy"}]})
            elif self.faults.crashed and path.endswith("/completions"):
                await exchange.whole({"error": {"message": "EngineDeadError"}}, status=500)
            elif path == "/tokenize":
                await exchange.whole({"tokens": self._tokenized(body)})
            elif path == "/v1/completions":
                await exchange.whole(self._scored(body["prompt"], loaded=loaded))
            elif path == "/v1/chat/completions":
                await self._chat(exchange, body)
            else:
                await exchange.whole({"detail": "Not Found"}, status=404)
        finally:
            self.running -= 1

    def _tokenized(self, body: Mapping[str, Any]) -> list[int]:
        if "prompt" in body:
            return self._tokens(body["prompt"])
        return self._prompt(body)

    def _prompt(self, body: Mapping[str, Any]) -> list[int]:
        text = "".join(
            f"<{message['role']}>{_content(message)}{self.faults.end_of_turn}"
            for message in body["messages"]
        )
        text = json.dumps(body.get("tools", "")) + text + "<assistant>"
        return [_BOS] * self.faults.bos + self._tokens(text)[-self.faults.context :]

    def _tokens(self, text: str) -> list[int]:
        return [ord(character) + self.faults.shift for character in text]

    def _scored(self, tokens: list[int], *, loaded: bool) -> dict[str, Any]:
        noise = self.faults.noise + (self.faults.noise_in_batch if loaded else 0.0)
        scores: list[dict[str, Any] | None] = [None]
        for before, token in itertools.pairwise(tokens):
            row = _row(chr(before % 0x110000), noise)
            best = max(row, key=lambda each: row[each])
            own = row.get(chr(token % 0x110000), -12.0)
            told = {str(token): {"logprob": own, "rank": 1 if own == row[best] else 2}}
            told.setdefault(str(ord(best)), {"logprob": row[best], "rank": 1})
            scores.append(told)
        return {"choices": [{"text": "", "prompt_logprobs": scores}]}

    async def _chat(self, exchange: Exchange, body: Mapping[str, Any]) -> None:
        document = self._answered(body)
        if not body.get("stream"):
            await exchange.whole(document)
            return
        await exchange.begin_stream()
        for index, choice in enumerate(document["choices"]):
            chunk = {
                "choices": [
                    {
                        "index": index,
                        "delta": choice["message"],
                        "finish_reason": choice["finish_reason"],
                    }
                ]
            }
            await exchange.piece(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await exchange.end_stream()

    def _answered(self, body: Mapping[str, Any]) -> dict[str, Any]:
        prompt = self._prompt(body)[-self.faults.reads :]
        text, logprobs, likeliest = self._drawn(prompt, body)
        message: dict[str, Any] = {"content": text, self.faults.reasoning_field: "I think."}
        finish = "length"
        if body.get("tools") and _wants_weather(body):
            finish = "stop"
            if self.faults.tool_parser:
                message = {"content": None, "tool_calls": [{"function": _CALL}]}
            else:
                message["content"] = f"<tool_call>{json.dumps(_CALL)}</tool_call>"
        elif any(name in body for name in self.faults.structured):
            finish = "stop"
            message["content"] = "north" if "guided_choice" in body else _PERSON
        choice = {
            "message": message,
            "finish_reason": finish,
            "logprobs": {
                "content": [
                    {"logprob": each, "top_logprobs": [{"logprob": best}]}
                    for each, best in zip(logprobs, likeliest, strict=True)
                ]
            },
        }
        return {
            "choices": [choice] * body.get("n", 1),
            "usage": {"prompt_tokens": len(prompt), "completion_tokens": len(text)},
        }

    def _drawn(
        self, prompt: list[int], body: Mapping[str, Any]
    ) -> tuple[str, list[float], list[float]]:
        temperature = body.get("temperature", self.faults.temperature)
        chance = random.Random(body["seed"]) if "seed" in body else self.chance
        text, last = "", chr(prompt[-1] % 0x110000)
        logprobs, likeliest = [], []
        for _ in range(body.get("max_tokens", 16)):
            row = _row(last, self.faults.noise)
            hot = _normalized({each: value / max(temperature, 0.01) for each, value in row.items()})
            if temperature:
                last = chance.choices(list(hot), [math.exp(each) for each in hot.values()])[0]
            else:
                last = max(row, key=lambda each: row[each])
            text += last
            told = hot if self.faults.processed else row
            logprobs.append(told[last])
            likeliest.append(max(told.values()))
        return text, logprobs, likeliest


@asynccontextmanager
async def toy_engine(faults: Faults | None = None) -> AsyncIterator[ScriptedEngine]:
    """Start a toy engine on a free port of loopback."""
    toy = ToyEngine(faults or Faults())
    async with scripted_engine() as engine:
        engine.script, engine.probe_script = toy.answer, None
        yield engine


@cache
def _row(before: str, noise: float) -> dict[str, float]:
    """Return the logarithm of each next character's probability."""
    chance = random.Random(f"row {before}")
    disturbed = random.Random(f"noise {before}")
    return _normalized(
        {each: chance.gauss(0, 2) + noise * disturbed.gauss(0, 1) for each in _ALPHABET}
    )


def _normalized(logits: Mapping[str, float]) -> dict[str, float]:
    norm = math.log(math.fsum(math.exp(each) for each in logits.values()))
    return {each: value - norm for each, value in logits.items()}


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content") or json.dumps(message.get("tool_calls", ""))
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _wants_weather(body: Mapping[str, Any]) -> bool:
    return bool(body.get("tool_choice")) or "weather" in _content(body["messages"][-1])
