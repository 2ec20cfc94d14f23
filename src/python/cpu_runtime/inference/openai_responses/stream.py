"""Chats as streams of OpenAI's Responses, and as whole responses.

https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import orjson

from cpu_runtime.errors import RequestError
from cpu_runtime.inference.openai_responses import items
from cpu_runtime.inference.openai_responses.request import ResponseRequest

Document = dict[str, Any]


class ResponseStream:
    """The events of one response, in the order in which they are sent."""

    def __init__(self, request: ResponseRequest, model: str) -> None:
        self._response = items.new_response(request, model)
        self._output = _Output(request.free_form)
        self._sent = 0

    async def events(self, chunks: AsyncIterator[Document]) -> AsyncGenerator[bytes, None]:
        """Give the events of a response, from beginning to end."""
        reason = "stop"
        usage: Document = {}
        begun = False
        async for chunk in chunks:
            if not begun:
                # Only now: what the engine refuses is refused with a status.
                begun = True
                for kind in ("response.created", "response.in_progress"):
                    yield self._event(kind, {"response": self._response})
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                for kind, fields in self._output.add(choice.get("delta") or {}):
                    yield self._event(kind, fields)
                reason = choice.get("finish_reason") or reason
        for kind, fields in self._output.close(cut=reason == "length"):
            yield self._event(kind, fields)
        response = items.finished(self._response, self._output.items, reason, usage)
        yield self._event(f"response.{response['status']}", {"response": response})

    def failure(self, error: RequestError) -> bytes:
        """Return the last event of a response that breaks off."""
        return self._event("response.failed", {"response": items.failed(self._response, error)})

    def _event(self, kind: str, fields: Document) -> bytes:
        data = {"type": kind, "sequence_number": self._sent, **fields}
        self._sent += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(data))


def response_of(document: Document, request: ResponseRequest, model: str) -> bytes:
    """Return the whole response that a whole chat is."""
    output = _Output(request.free_form)
    choice = document["choices"][0]
    message = choice["message"]
    calls = [{**call, "index": at} for at, call in enumerate(message.get("tool_calls") or ())]
    output.add({**message, "tool_calls": calls})
    reason = str(choice.get("finish_reason"))
    output.close(cut=reason == "length")
    response = items.new_response(request, model)
    return orjson.dumps(items.finished(response, output.items, reason, document["usage"]))


Events = list[tuple[str, Document]]


class _Output:
    """The items of a response: one is under way at a time.

    Attributes:
        items: those that are complete, in their order.
    """

    def __init__(self, free_form: frozenset[str]) -> None:
        self.items: list[Document] = []
        self._free_form = free_form
        self._item: Document | None = None
        self._text = ""

    def add(self, delta: Document) -> Events:
        """Return the events that a delta of a chat is."""
        events: Events = []
        if thought := delta.get("reasoning_content"):
            events += self._write("reasoning", thought)
        if text := delta.get("content"):
            events += self._write("message", text)
        for call in delta.get("tool_calls") or ():
            events += self._add_call(call)
        return events

    def close(self, *, cut: bool = False) -> Events:
        """Return the events that complete the item that is under way."""
        item, text = self._item, self._text
        if item is None:
            return []
        events: Events = []
        match item["type"]:
            case "message":
                part = items.text_part(text)
                item["content"] = [part]
                events += [
                    self._in_part("response.output_text.done", text=text, logprobs=[]),
                    self._in_part("response.content_part.done", part=part),
                ]
            case "reasoning":
                part = items.reasoning_part(text)
                item["content"] = [part]
                events += [
                    self._in_part("response.reasoning_text.done", text=text),
                    self._in_part("response.content_part.done", part=part),
                ]
            case "function_call":
                item["arguments"] = text
                done = {"arguments": text, "name": item["name"]}
                events.append(self._in_item("response.function_call_arguments.done", **done))
            case _:
                item["input"] = text = items.free_text(text)
                events += [
                    self._in_item("response.custom_tool_call_input.delta", delta=text),
                    self._in_item("response.custom_tool_call_input.done", input=text),
                ]
        item["status"] = "incomplete" if cut else "completed"
        events.append(self._about_item("response.output_item.done"))
        self.items.append(item)
        self._item, self._text = None, ""
        return events

    def _write(self, kind: str, text: str) -> Events:
        """Go on with a text or a thought, or begin it."""
        events: Events = []
        message = kind == "message"
        if self._item is None or self._item["type"] != kind:
            events += self.close()
            self._item = items.new_message() if message else items.new_reasoning()
            events.append(self._about_item("response.output_item.added"))
            part = items.text_part("") if message else items.reasoning_part("")
            events.append(self._in_part("response.content_part.added", part=part))
        self._text += text
        if message:
            delta = {"delta": text, "logprobs": []}
            return [*events, self._in_part("response.output_text.delta", **delta)]
        return [*events, self._in_part("response.reasoning_text.delta", delta=text)]

    def _add_call(self, call: Document) -> Events:
        events: Events = []
        function = call.get("function") or {}
        if name := function.get("name"):
            events += self.close()
            self._item = items.new_call(call["id"], name, name in self._free_form)
            events.append(self._about_item("response.output_item.added"))
        arguments = function.get("arguments")
        if not arguments or self._item is None:
            return events
        self._text += arguments
        if self._item["type"] == "function_call":
            kind = "response.function_call_arguments.delta"
            events.append(self._in_item(kind, delta=arguments))
        return events

    def _about_item(self, kind: str) -> tuple[str, Document]:
        assert self._item is not None
        # As it is now: it is written to later on.
        return kind, {"output_index": len(self.items), "item": dict(self._item)}

    def _in_item(self, kind: str, **fields: Any) -> tuple[str, Document]:
        assert self._item is not None
        place = {"item_id": self._item["id"], "output_index": len(self.items)}
        return kind, {**place, **fields}

    def _in_part(self, kind: str, **fields: Any) -> tuple[str, Document]:
        return self._in_item(kind, content_index=0, **fields)
