"""Passing an engine's answer on to the client."""

# compiled: runs for each request.

from __future__ import annotations

from typing import Any

from llm_provider.model_rewrite import rewrite_response_model
from llm_provider.repetition import TAIL_BYTES, ends_in_loop
from llm_provider.token_usage import NOTHING_TOLD, TokenUsage, token_usage, usage_in
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Send, send_document
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.errors import (
    not_offered_by_engine,
    upstream_interrupted,
    upstream_nonsense,
)
from querylake_api.inference.event_channel import EventChannel
from querylake_api.inference.large_answer import LARGE_BYTES, shaped, with_model
from querylake_api.inference.refusals import refusal
from querylake_api.inference.stream import pass_on_stream
from querylake_api.requests.record import RequestRecord


async def pass_on(
    answer: Answer,
    call: Call,
    send: Send,
    record: RequestRecord,
    exchange: Exchange | None = None,
    channel: EventChannel | None = None,
) -> None:
    """Send the answer on: whole, or event by event as it comes.

    Args:
        exchange: takes what is to be sent at once; None under a server that is not ours.
        channel: where a stream's events go, if the client has been sent some already.

    Raises:
        ApiError: the engine's answer is no success, and nothing of it was sent.
    """
    met = record.met
    if met is None:
        assert answer.rest is not None, "a whole answer is judged before it is passed on"
        events = channel or EventChannel(send, exchange, record)
        await pass_on_stream(answer, answer.rest, call, events, record)
        return
    if met.kind != "answered":
        record.detail = met.reason
        raise _refused(answer, call, met.kind)
    await _pass_on_whole(answer, call, send, record, exchange)


def _refused(answer: Answer, call: Call, kind: str) -> ApiError:
    """Return the error for an answer that is none."""
    if answer.error is None and 200 <= answer.status < 300:
        begun = answer.body.lstrip().startswith(b"{")
        cut = kind == "nonsense" and begun
        return upstream_interrupted(call.name) if cut else upstream_nonsense(call.name)
    if 300 <= answer.status < 400:
        return upstream_nonsense(call.name)
    if call.endpoint.optional and answer.status in (404, 405, 501):
        return not_offered_by_engine(call.name, call.endpoint.path)
    return refusal(
        answer.status, answer.headers, answer.body, call.name, answer.target.model, answer.error
    )


async def _pass_on_whole(
    answer: Answer, call: Call, send: Send, record: RequestRecord, exchange: Exchange | None
) -> None:
    body = answer.body
    large = len(body) > LARGE_BYTES
    if answer.target.model != call.name:
        body = (
            await with_model(body, call.name) if large else rewrite_response_model(body, call.name)
        )
    if call.rerank is not None:
        body = await shaped(body, call.rerank) if large else call.rerank.shaped(body)
    record.settle(200, "success")
    try:
        await send_document(
            send,
            200,
            body,
            request_id=record.request_id,
            headers=record.headers,
            exchange=exchange,
        )
    finally:
        # When the client has its answer, or cannot have it: what was used was used.
        _note(answer, body, record)


def _note(answer: Answer, body: bytes, record: RequestRecord) -> None:
    """Note in the record what a whole answer says of its tokens and its end."""
    document = answer.document
    usage = usage_in(body) if document is None else _usage_of(document)
    record.prompt_tokens = usage.prompt
    record.completion_tokens = usage.completion
    if isinstance(document, dict):
        _note_end(document, record)


def _usage_of(document: Any) -> TokenUsage:
    return token_usage(document.get("usage")) if isinstance(document, dict) else NOTHING_TOLD


def _note_end(document: dict[str, Any], record: RequestRecord) -> None:
    choices = document.get("choices")
    if choices.__class__ is list:
        empty, loops = True, False
        for choice in choices:
            if choice.__class__ is dict:
                reason = choice.get("finish_reason")
                if record.finish_reason is None and reason.__class__ is str:
                    record.finish_reason = reason
                message = choice.get("message")
                made = message if message.__class__ is dict else choice
                if _holds_something(made):
                    empty = False
                if _loops(made):
                    loops = True
        record.empty, record.loops = empty, loops
        return
    content = document.get("content")
    if content.__class__ is not list:
        content = document.get("output")
    if content.__class__ is list:
        record.empty = not content
        reason = document.get("stop_reason") or document.get("status")
        if reason.__class__ is str:
            record.finish_reason = reason


_MADE = ("content", "text", "tool_calls", "reasoning_content", "reasoning", "refusal", "audio")


def _loops(made: dict[str, Any]) -> bool:
    """Return whether what a choice says ends in a loop."""
    text = made.get("content") or made.get("text")
    return text.__class__ is str and ends_in_loop(text[-TAIL_BYTES:].encode(errors="replace"))


def _holds_something(made: dict[str, Any]) -> bool:
    for field in _MADE:  # noqa: SIM110 - a generator would cost as much as the rest
        if made.get(field):
            return True
    return False
