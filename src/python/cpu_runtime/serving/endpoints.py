"""The routes that models answer, as bare ASGI: a wrapper would hide that the client has left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError
from cpu_runtime.inference import answers
from cpu_runtime.inference.chat import chat
from cpu_runtime.inference.completions import completion
from cpu_runtime.inference.embeddings import embed
from cpu_runtime.inference.fields import require, without_nulls
from cpu_runtime.inference.generation import Generation
from cpu_runtime.inference.rerank import rerank
from cpu_runtime.models.catalog import Capability, Model
from cpu_runtime.serving.asgi import Receive, Scope, Send
from cpu_runtime.serving.body import read_object
from cpu_runtime.serving.exchange import Exchange
from cpu_runtime.serving.state import State

Body = dict[str, Any]
Count = Callable[[int, int], None]
Handler = Callable[[Body, Served, Exchange, Count], Awaitable[None]]


class Endpoint:
    """A route that a model answers."""

    def __init__(self, capability: Capability, handler: Handler, state: State) -> None:
        self._capability = capability
        self._handler = handler
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises:
            RequestError: it is wrong, or could not be answered.
            ClientLeft: nobody waits for the answer any more.
        """
        exchange = Exchange.of(scope)
        exchange.route = scope["path"]
        body = without_nulls(await read_object(scope, receive))
        served = self._state.find_for(require(body, "model"), self._capability)
        exchange.model = served.model.name
        count = partial(self._state.metrics.count_tokens, served.model.name)
        async with self._state.in_flight.work(receive):
            await self._handler(body, served, exchange, count)


async def answer_chat(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Answer a chat."""
    await _generate(chat, body, served, exchange, count)


async def answer_completion(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Continue a text."""
    await _generate(completion, body, served, exchange, count)


async def answer_embeddings(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Make vectors of texts."""
    await exchange.answer(await embed(body, served, count))


async def answer_rerank(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Order documents by how well they fit a query."""
    await exchange.answer(await rerank(body, served, count))


async def _generate(
    parse: Callable[[Body, Model], Generation],
    body: Body,
    served: Served,
    exchange: Exchange,
    count: Count,
) -> None:
    request = parse(body, served.model)
    try:
        async with served.gate.slot():
            if request.stream:
                await _stream(request, served, exchange, count)
                return
            document = await served.client.ask(request.path, request.body)
    except RequestError as error:
        if error.code == "context_length_exceeded":
            error.param = request.prompt_field
        raise
    await exchange.answer(answers.whole(document, served.model.name, count))


async def _stream(request: Generation, served: Served, exchange: Exchange, count: Count) -> None:
    name = served.model.name
    async with served.client.stream(request.path, request.body) as chunks:
        async for event in answers.events(chunks, name, request.include_usage, count):
            await exchange.event(event)
    await exchange.end()
