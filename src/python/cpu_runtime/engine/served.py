"""A model with the engine that serves it."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from cpu_runtime.engine.client import EngineClient
from cpu_runtime.engine.gate import Gate
from cpu_runtime.engine.order import Order
from cpu_runtime.engine.process import EngineProcess
from cpu_runtime.errors import ModelUnusable, RequestError
from cpu_runtime.models.catalog import RERANK_METHOD, Model

MAX_WAITING = 64


@dataclass(frozen=True, slots=True)
class Served:
    """A model that is ready.

    Attributes:
        context_length: of one request, prompt and answer together, in tokens.
        dimensions: of its vectors; 0 if it makes none.
        template_has_tools: whether its chat template knows of tools.
        created: when it was loaded, in seconds since 1970.
    """

    model: Model
    client: EngineClient
    gate: Gate
    process: EngineProcess
    context_length: int
    dimensions: int
    created: int
    template_has_tools: bool = False

    def listing(self) -> dict[str, Any]:
        """Return the entry for /v1/models. `max_model_len` is vLLM's name for the length."""
        entry: dict[str, Any] = {
            "id": self.model.name,
            "object": "model",
            "created": self.created,
            "owned_by": "cpu_runtime",
            "capabilities": list(self.model.capabilities),
            "max_model_len": self.context_length,
            "licence": self.model.licence,
        }
        if self.model.embeds:
            entry["dimensions"] = self.dimensions
            entry["rerank_method"] = RERANK_METHOD
        return entry


@dataclass(frozen=True, slots=True)
class Resources:
    """What each engine may take.

    Attributes:
        context_length: of one chat request, in tokens; cut to what the model can.
        slots: requests at the same time, per engine.
        threads: per engine.
    """

    context_length: int
    slots: int
    threads: int
    verbose: bool = False


async def serve_model(model: Model, resources: Resources, stack: AsyncExitStack) -> Served:
    """Load a model. When the stack is closed, its engine is ended.

    Raises:
        ModelUnusable: llama.cpp cannot load it, or it does not do what it is for.
    """
    limit = model.context_length
    order = Order(
        file=str(model.file),
        name=model.name,
        embeds=model.embeds,
        context_length=limit if model.embeds and limit else _shorter(resources, limit),
        slots=resources.slots,
        threads=resources.threads,
        key=secrets.token_urlsafe(32),
        chat_template=model.chat_template,
        verbose=resources.verbose,
    )
    process = await EngineProcess.start(order)
    stack.push_async_callback(process.stop)
    client = EngineClient(model.name, await process.url(), order.key)
    stack.push_async_callback(client.close)
    try:
        facts = await client.facts()
        dimensions = await _dimensions(client) if model.embeds else 0
        has_tools = not model.embeds and await client.template_has_tools()
    except RequestError as error:
        raise ModelUnusable(f"{model.file} does not work as {model.name}: {error}") from None
    return Served(
        model=model,
        client=client,
        gate=Gate(model.name, slots=resources.slots, max_waiting=MAX_WAITING),
        process=process,
        context_length=int(facts["n_ctx"]),
        dimensions=dimensions,
        created=int(time.time()),
        template_has_tools=has_tools,
    )


async def serve_models(
    models: tuple[Model, ...], resources: Resources, stack: AsyncExitStack
) -> tuple[Served, ...]:
    """Load models, all at once.

    Raises:
        ModelUnusable: the first that cannot be loaded.
    """
    tasks = [asyncio.create_task(serve_model(model, resources, stack)) for model in models]
    try:
        return tuple(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _dimensions(client: EngineClient) -> int:
    """Return the length of a vector, which also shows that it makes any."""
    answer = await client.ask("/v1/embeddings", {"input": "ready?"})
    return len(answer["data"][0]["embedding"])


def _shorter(resources: Resources, limit: int | None) -> int:
    return min(resources.context_length, limit or resources.context_length)
