"""Passing an engine's answer on to the client."""

from __future__ import annotations

from llm_provider.model_rewrite import rewrite_response_model
from llm_provider.token_usage import usage_in
from querylake_api.http_server.asgi import Send, send_document
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.errors import upstream_nonsense
from querylake_api.inference.refusals import error_in_success, refusal
from querylake_api.inference.stream import pass_on_stream
from querylake_api.requests.record import RequestRecord


async def pass_on(
    answer: Answer,
    call: Call,
    send: Send,
    record: RequestRecord,
    exchange: Exchange | None = None,
) -> None:
    """Send the answer on: whole, or event by event as it comes.

    Args:
        exchange: takes what is to be sent at once; None under a server that is not ours.

    Raises:
        ApiError: the engine's answer is no success, and nothing was sent.
    """
    if not 200 <= answer.status < 300:
        record.detail = f"upstream status {answer.status}"
        raise refusal(answer.status, answer.headers, answer.body, call.name, answer.target.model)
    if answer.rest is not None:
        await pass_on_stream(answer, answer.rest, call, send, record, exchange)
    else:
        await _pass_on_whole(answer, call, send, record, exchange)


async def _pass_on_whole(
    answer: Answer, call: Call, send: Send, record: RequestRecord, exchange: Exchange | None
) -> None:
    body = answer.body
    if not body.lstrip().startswith(b"{"):
        record.detail = "upstream status 200 without a JSON object"
        raise upstream_nonsense(call.name)
    error = error_in_success(body, call.name, answer.target.model)
    if error is not None:
        record.detail = "upstream status 200 with an error inside"
        raise error
    if answer.target.model != call.name:
        body = rewrite_response_model(body, call.name)
    if call.rerank is not None:
        body = call.rerank.shaped(body)
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
        usage = usage_in(body)
        record.prompt_tokens = usage.prompt
        record.completion_tokens = usage.completion
