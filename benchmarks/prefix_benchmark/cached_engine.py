"""An engine that computes nothing and takes the time that vLLM would, with vLLM's prefix cache.

A prompt is cut into blocks; a block is found in the cache if it and all before it were computed
before, and the least recently used blocks are evicted. One prompt is read at a time, at a constant
speed, and only what the cache lacks costs time; tokens are then generated at a constant speed, for
all requests at once. https://docs.vllm.ai/en/latest/design/prefix_caching.html
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from gateway_benchmark.mock_engine import MODEL

BLOCK = 16
"""Tokens of a block, as in vLLM."""

CHARACTERS = 4
"""Characters of a token."""


@dataclass(slots=True)
class PrefixCache:
    """Which blocks are held, and how many tokens were looked up and found.

    Args:
        capacity: blocks at most.
    """

    capacity: int
    queries: int = 0
    hits: int = 0
    _blocks: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def read(self, text: str) -> int:
        """Look a prompt up and keep it. Return how many of its tokens have to be computed."""
        tokens = max(1, len(text) // CHARACTERS)
        chain = _chain(text)
        found = 0
        for block in chain:
            if block not in self._blocks:
                break
            found += 1
        # The last token is always computed: the first generated one follows from it.
        hit = min(found * BLOCK, tokens - 1)
        self.queries += tokens
        self.hits += hit
        self.keep(text)
        return tokens - hit

    def keep(self, text: str) -> None:
        """Keep the blocks of a text, and evict what was not used for longest."""
        for block in _chain(text):
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self.capacity:
            self._blocks.popitem(last=False)


def _chain(text: str) -> list[int]:
    """Return a number for each full block, which stands for it and all blocks before it."""
    size = BLOCK * CHARACTERS
    chain: list[int] = []
    parent = 0
    for start in range(0, len(text) - size + 1, size):
        parent = hash((parent, text[start : start + size]))
        chain.append(parent)
    return chain


def rendered(messages: list[dict[str, str]]) -> str:
    """Return a conversation as a chat template renders it."""
    return "".join(f"<|{each['role']}|>\n{each['content']}\n" for each in messages)


@dataclass(slots=True)
class Engine:
    """One replica.

    Args:
        prefill: prompt tokens a second.
        decode: seconds of a generated token.
    """

    cache: PrefixCache
    prefill: float
    decode: float
    running: int = 0
    generated: int = 0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def chat(self, request: Request) -> Response:
        """Answer one chat, whole or streamed, with as many tokens as it asks for."""
        document = await request.json()
        tokens = int(document.get("max_tokens", 32))
        answer = _words(document["messages"], tokens)
        if document.get("stream"):
            stream = self._stream(document["messages"], answer)
            return StreamingResponse(stream, media_type="text/event-stream")
        async for _ in self._generate(document["messages"], answer):
            pass
        message = {"role": "assistant", "content": answer}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse({"object": "chat.completion", "model": MODEL, "choices": [choice]})

    async def _stream(self, messages: list[dict[str, str]], answer: str) -> AsyncIterator[bytes]:
        async for piece in self._generate(messages, answer):
            yield _event({"content": piece})
        yield _event({}, finish_reason="stop")
        yield b"data: [DONE]\n\n"

    async def _generate(self, messages: list[dict[str, str]], answer: str) -> AsyncIterator[str]:
        self.running += 1
        try:
            prompt = rendered(messages)
            async with self._reading:
                await asyncio.sleep(self.cache.read(prompt) / self.prefill)
            for start in range(0, len(answer), CHARACTERS):
                yield answer[start : start + CHARACTERS]
                self.generated += 1
                await asyncio.sleep(self.decode)
            self.cache.keep(rendered([*messages, {"role": "assistant", "content": answer}]))
        finally:
            self.running -= 1

    async def metrics(self, request: Request) -> Response:
        """Say what vLLM's counters say."""
        lines = {
            "vllm:num_requests_running": self.running,
            "vllm:num_requests_waiting": 0,
            "vllm:generation_tokens_total": self.generated,
            "vllm:prompt_tokens_total": self.cache.queries,
            "vllm:prefix_cache_queries_total": self.cache.queries,
            "vllm:prefix_cache_hits_total": self.cache.hits,
        }
        return PlainTextResponse("".join(f"{name} {value}\n" for name, value in lines.items()))


def _words(messages: list[dict[str, str]], tokens: int) -> str:
    """Return an answer that is the same whenever the conversation is."""
    seed = sum(map(ord, messages[-1]["content"])) % 89
    return "".join(f"w{(seed + number) % 97:02d} " for number in range(tokens))


def _event(delta: dict[str, str], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"object": "chat.completion.chunk", "model": MODEL, "choices": [choice]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


async def _well(request: Request) -> Response:
    return PlainTextResponse("")


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


def application(engine: Engine) -> Starlette:
    """Return the engine as an ASGI application."""
    return Starlette(
        routes=[
            Route("/health", _well),
            Route("/metrics", engine.metrics),
            Route("/v1/models", _models),
            Route("/v1/chat/completions", engine.chat, methods=["POST"]),
        ]
    )


def main() -> None:
    """Serve one engine on loopback until SIGTERM."""
    parser = argparse.ArgumentParser(prog="cached_engine", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--blocks", type=int, default=4096, help="capacity of the cache, in blocks")
    parser.add_argument("--prefill", type=float, default=4000.0, help="prompt tokens a second")
    parser.add_argument("--decode-ms", type=float, default=10.0, help="milliseconds of a token")
    options = parser.parse_args()
    engine = Engine(PrefixCache(options.blocks), options.prefill, options.decode_ms / 1000)
    uvicorn.run(application(engine), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
