"""The routes that models answer, as bare ASGI: a wrapper would hide that the client has left."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError
from cpu_runtime.inference import answers
from cpu_runtime.inference.anthropic import response as anthropic_response
from cpu_runtime.inference.anthropic import stream as anthropic_stream
from cpu_runtime.inference.anthropic.request import chat_of
from cpu_runtime.inference.chat import PATH as CHAT_PATH
from cpu_runtime.inference.chat import chat
from cpu_runtime.inference.completions import completion
from cpu_runtime.inference.embeddings import embed
from cpu_runtime.inference.fields import require, without_nulls
from cpu_runtime.inference.generation import Generation
from cpu_runtime.inference.openai_responses.request import response_request
from cpu_runtime.inference.openai_responses.stream import ResponseStream, response_of
from cpu_runtime.inference.rerank import rerank
from cpu_runtime.inference.run import chunks_of, document_of
from cpu_runtime.models.catalog import Capability
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
    request = chat(body, template_has_tools=served.template_has_tools)
    await _generate(request, served, exchange, count)


async def answer_completion(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Continue a text."""
    await _generate(completion(body), served, exchange, count)


async def answer_message(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Answer a chat in Anthropic's form."""
    request = _translated(chat_of(body), served)
    if not request.stream:
        document = await document_of(request, served, count)
        await exchange.answer(anthropic_response.message_of(document))
        return
    async with aclosing(chunks_of(request, served, count)) as chunks:
        await _send(anthropic_stream.events(chunks, served.model.name), exchange)


async def count_message_tokens(
    body: Body, served: Served, exchange: Exchange, count: Count
) -> None:
    """Count the tokens of a chat in Anthropic's form, as the model would be given them."""
    request = _translated(chat_of(body, counts_only=True), served)
    async with served.gate.slot():
        answer = await served.client.ask(f"{CHAT_PATH}/input_tokens", request.body)
    await exchange.answer(orjson.dumps({"input_tokens": answer["input_tokens"]}))


async def answer_response(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Answer a chat in the form of OpenAI's Responses."""
    asked = response_request(body)
    request = _translated(asked.chat, served)
    field = {"response_format": "text.format"}.get(request.schema_field, request.schema_field)
    request = replace(request, prompt_field="input", schema_field=field)
    name = served.model.name
    if not request.stream:
        document = await document_of(request, served, count)
        await exchange.answer(response_of(document, asked, name))
        return
    stream = ResponseStream(asked, name)
    exchange.last_event = stream.failure
    async with aclosing(chunks_of(request, served, count)) as chunks:
        await _send(stream.events(chunks), exchange)


async def answer_embeddings(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Make vectors of texts."""
    await exchange.answer(await embed(body, served, count))


async def answer_rerank(body: Body, served: Served, exchange: Exchange, count: Count) -> None:
    """Order documents by how well they fit a query."""
    await exchange.answer(await rerank(body, served, count))


def _translated(body: Body, served: Served) -> Generation:
    """Return the request for text that a chat is which another protocol has been translated to."""
    try:
        return chat(body, template_has_tools=served.template_has_tools)
    except RequestError as error:
        # Only chats have the functions of tools one level deeper.
        error.message = error.message.replace("].function", "]")
        error.param = error.param and error.param.replace("].function", "]")
        raise


async def _generate(request: Generation, served: Served, exchange: Exchange, count: Count) -> None:
    if not request.stream:
        document = await document_of(request, served, count)
        await exchange.answer(orjson.dumps(document))
        return
    async with aclosing(chunks_of(request, served, count)) as chunks:
        await _send(answers.events(chunks, request.include_usage), exchange)


async def _send(events: AsyncGenerator[bytes, None], exchange: Exchange) -> None:
    async with aclosing(events):
        async for event in events:
            await exchange.event(event)
    await exchange.end()
