"""Running a request for text on an engine: one response to a prompt, or several at the same time.

What comes out is OpenAI's, under the name that clients know the model by: a document, or chunks.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError
from cpu_runtime.inference.assembly import Assembly
from cpu_runtime.inference.calls.reader import ResponseReader
from cpu_runtime.inference.generation import Generation

T = TypeVar("T")

Document = dict[str, Any]
Count = Callable[[int, int], None]
"""Takes how many prompt tokens and generated tokens have come since it was called last."""

_IN_TOOL = re.compile(r"#/\$defs/tool_(\d+)")
"""Where `inference.calls.grammar` puts the schema of a tool."""

_WAITING_CHUNKS = 16
"""Of several streams, what may wait for a slow client before the engine has to wait."""


async def document_of(request: Generation, served: Served, count: Count) -> Document:
    """Return the whole response, put together from its chunks.

    Raises:
        RequestError: the engine refuses, fails, or breaks off.
    """
    assembly = Assembly()
    async with aclosing(chunks_of(request, served, count)) as chunks:
        async for chunk in chunks:
            assembly.add(chunk)
    return assembly.document()


async def chunks_of(
    request: Generation, served: Served, count: Count
) -> AsyncGenerator[Document, None]:
    """Give the chunks of a response as they come, and at the end one with the usage and no choice.

    While the prompt is being read, there are chunks with `prompt_progress` and no choice.

    To be closed: the engine works until then.

    Args:
        count: called for each token when it is read or generated, and at the end for those that
            were not seen coming: they ended within a character, or within a word to stop at.

    Raises:
        RequestError: the engine refuses, fails, or breaks off, now or in the middle.
    """
    seen = 0

    def count_one() -> None:
        nonlocal seen
        seen += 1
        count(0, 1)

    read = 0
    usages: list[Document] = []
    envelope: Document = {}
    async with aclosing(_merged(request, served, count_one)) as chunks:
        async for chunk in chunks:
            if usage := chunk.pop("usage", None):
                usages.append(usage)
            if not envelope:
                envelope = {name: value for name, value in chunk.items() if name != "choices"}
                envelope.pop("prompt_progress", None)
            if progress := chunk.get("prompt_progress"):
                count(max(0, progress["processed"] - read), 0)
                read = max(read, progress["processed"])
            if chunk.get("choices") or progress:
                # All chunks have one id and one time, whichever choice they are of.
                yield {**chunk, **envelope}
    usage = _sum(usages)
    count(max(0, usage["prompt_tokens"] - read), max(0, usage["completion_tokens"] - seen))
    yield {**envelope, "choices": [], "usage": usage}


async def _merged(
    request: Generation, served: Served, count_one: Callable[[], None]
) -> AsyncGenerator[Document, None]:
    """Give the chunks of all choices, as they come."""
    if request.choices == 1:
        async with aclosing(_chunks(request, served, 0, count_one)) as only:
            async for chunk in only:
                yield chunk
        return
    queue: asyncio.Queue[Document] = asyncio.Queue(_WAITING_CHUNKS)

    async def pass_on(choice: int) -> None:
        async with aclosing(_chunks(request, served, choice, count_one)) as chunks:
            async for chunk in chunks:
                await queue.put(chunk)

    running = asyncio.create_task(_all_of([pass_on(each) for each in range(request.choices)]))
    try:
        while not (running.done() and queue.empty()):
            getting = asyncio.create_task(queue.get())
            await asyncio.wait((getting, running), return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
                continue
            getting.cancel()
            await asyncio.gather(getting, return_exceptions=True)
        await running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def _chunks(
    request: Generation, served: Served, choice: int, count_one: Callable[[], None]
) -> AsyncGenerator[Document, None]:
    reader = ResponseReader() if request.holds_calls else None
    body = request.body_of(choice)
    try:
        async with served.gate.slot(), served.client.stream(request.path, body) as chunks:
            async for chunk in chunks:
                chunk = _tidy(chunk, served.model.name, choice)
                if any(_has_text(each) for each in chunk.get("choices", ())):
                    count_one()
                for each in [chunk] if reader is None else _read(chunk, reader):
                    yield each
    except RequestError as error:
        raise _blamed(error, request) from None


def _tidy(document: Document, name: str, choice: int) -> Document:
    document["model"] = name
    for private in ("timings", "system_fingerprint"):
        document.pop(private, None)
    if document.get("object") == "text_completion":
        # llama.cpp gives completions the ids of chats.
        document["id"] = str(document.get("id", "")).replace("chatcmpl-", "cmpl-", 1)
    if "prompt_progress" in document:
        document["choices"] = []  # the role, which comes again
    for each in document.get("choices", ()):
        each["index"] = choice
        delta = each.get("delta", {})
        if "role" in delta and delta.get("content") is None:
            delta["content"] = ""
    return document


def _read(chunk: Document, reader: ResponseReader) -> list[Document]:
    """Return a chunk with what its text means, which may be nothing yet, or several things."""
    if not chunk.get("choices"):
        return [chunk]
    choice = chunk["choices"][0]
    delta, reason = choice.get("delta") or {}, choice.get("finish_reason")
    text = delta.pop("content", None)
    deltas = reader.feed(text) if text else []
    if delta or reason:
        # The role comes before, and the reason after what the text means.
        if "role" in delta:
            delta["content"] = None  # an empty text would be the begin of one
        deltas.insert(0 if delta else len(deltas), delta)
    read = [
        {**chunk, "choices": [{**choice, "delta": each, "finish_reason": None}]} for each in deltas
    ]
    if reason:
        read[-1]["choices"][0]["finish_reason"] = reader.finish_reason(reason)
    return read


def _sum(usages: Sequence[Document]) -> Document:
    """Return the usage of all choices: they share one prompt."""
    first = usages[0] if usages else {}
    prompt = int(first.get("prompt_tokens") or 0)
    completion = sum(int(usage.get("completion_tokens") or 0) for usage in usages)
    return {
        **first,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _has_text(choice: Document) -> bool:
    return bool(choice.get("text")) or any(
        value for key, value in choice.get("delta", {}).items() if key != "role"
    )


def _blamed(error: RequestError, request: Generation) -> RequestError:
    """Return an error of the engine's with the field that it is about."""
    if error.code == "context_length_exceeded":
        error.param = request.prompt_field
    elif error.code == "invalid_schema":
        tool = _IN_TOOL.search(error.message)
        error.param = f"tools[{tool[1]}]" if tool else request.schema_field
    return error


async def _all_of(work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return all results; the first failure, and being cancelled, ends the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
