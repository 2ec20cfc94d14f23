"""Which program an engine is, and of which version, as it says itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from llm_provider.config import UpstreamConfig
from querylake_api.settings import SERVE_SCHEME
from querylake_api.upstreams.facts import UpstreamFacts

TIMEOUT_SECONDS = 3.0
MAX_BYTES = 1_000_000
ASK_AGAIN_SECONDS = 60.0
"""An engine can be replaced by another at the same address without a sign."""


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What an engine says that it is.

    Attributes:
        kind: `vllm`, `cpu_runtime`, `ray`, or its own word; None if it does not say.
        version: None if it does not say.
    """

    kind: str | None = None
    version: str | None = None


UNKNOWN = EngineIdentity()


@dataclass(frozen=True, slots=True)
class _Answer:
    identity: EngineIdentity
    restarts: int
    at: float


class EngineIdentities:
    """Remembers what engines are. Nobody waits for an engine: what is new shows a moment later."""

    def __init__(self) -> None:
        self._answers: dict[str, _Answer] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    def of(self, facts: UpstreamFacts) -> EngineIdentity:
        """Return what is known of an engine."""
        answer = self._answers.get(facts.name)
        return UNKNOWN if answer is None else answer.identity

    def look(self, engines: Iterable[UpstreamFacts], configs: Mapping[str, UpstreamConfig]) -> None:
        """Ask those engines that are up, and were not asked since they were started."""
        for facts in engines:
            if facts.name in self._asking or facts.condition != "up":
                continue
            answer = self._answers.get(facts.name)
            fresh = (
                answer is not None
                and answer.restarts == facts.restarts
                and time.monotonic() - answer.at < ASK_AGAIN_SECONDS
            )
            if not fresh:
                asking = self._ask(configs[facts.name], facts.restarts)
                self._asking[facts.name] = asyncio.create_task(asking)

    async def _ask(self, config: UpstreamConfig, restarts: int) -> None:
        try:
            identity = await identify(config)
            self._answers[config.name] = _Answer(identity, restarts, time.monotonic())
        finally:
            del self._asking[config.name]


async def identify(config: UpstreamConfig) -> EngineIdentity:
    """Ask an engine what it is: vLLM and our CPU engine say so, and others partly."""
    if config.base_url.startswith(SERVE_SCHEME):
        return EngineIdentity(kind="ray")
    headers = {} if config.api_key is None else {"authorization": f"Bearer {config.api_key}"}
    async with httpx.AsyncClient(
        headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as client:
        models, version = await asyncio.gather(
            _document(client, f"{config.base_url}/models"),
            _document(client, f"{config.base_url.removesuffix('/v1')}/version"),
        )
    listed = models.get("data")
    first = listed[0] if isinstance(listed, list) and listed else None
    kind = _text(first.get("owned_by")) if isinstance(first, dict) else None
    return EngineIdentity(kind=kind, version=_text(version.get("version")))


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    """Return a JSON object; an empty one if there is none to be had in bounded time and size."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS), client.stream("GET", url) as answer:
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    return {}
            document = httpx.Response(200, content=bytes(body)).json() if answer.is_success else {}
    except (httpx.HTTPError, TimeoutError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    return value[:60] if isinstance(value, str) and value else None
