"""An engine's answer on its way to the client: whole, or as a stream."""

# compiled: runs for each request.

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final

from llm_provider.attempt_outcome import AttemptOutcome
from llm_provider.model_rewrite import rewrite_response_model
from llm_provider.repetition import TAIL_BYTES, ends_in_loop
from llm_provider.token_usage import NOTHING_TOLD, TokenUsage, token_usage, usage_in
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import JSON_HEADERS
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.answer import Answer
from querylake_api.inference.call import Call
from querylake_api.inference.errors import (
    not_offered_by_engine,
    upstream_interrupted,
    upstream_nonsense,
)
from querylake_api.inference.large_answer import LARGE_BYTES, shaped, with_model
from querylake_api.inference.refusals import refusal
from querylake_api.requests.record import ResponseContent, ResponseEnding

_SENT: Final = ResponseEnding(200, "success")
_NO_CONTENT: Final = ResponseContent()


class Delivery(ABC):
    """One answer on its way.

    What it learns are attributes, and not only returned, because it may be cancelled anywhere.

    Attributes:
        ending: how the response ended; None until its end was said.
        content: what the answer says of itself, as far as it came.
        met: what the attempt met, of a stream once it has ended: for the engine's breaker.
    """

    __slots__ = ("content", "ending", "met")

    def __init__(self) -> None:
        self.ending: ResponseEnding | None = None
        self.content = _NO_CONTENT
        self.met: AttemptOutcome | None = None

    @abstractmethod
    async def run(self) -> None:
        """Send the answer on, to its end."""


class WholeDelivery(Delivery):
    """A whole answer that is a success."""

    __slots__ = ("_answer", "_call", "_exchange")

    def __init__(self, answer: Answer, call: Call, exchange: Exchange) -> None:
        super().__init__()
        self._answer = answer
        self._call = call
        self._exchange = exchange

    async def run(self) -> None:
        """Send it, in the form that was asked for."""
        call = self._call
        body = self._answer.body
        large = len(body) > LARGE_BYTES
        if self._answer.target.model != call.name:
            name = call.name
            body = await with_model(body, name) if large else rewrite_response_model(body, name)
        if call.rerank is not None:
            body = await shaped(body, call.rerank) if large else call.rerank.shaped(body)
        self.ending = _SENT
        try:
            await self._exchange.respond(200, JSON_HEADERS, body)
        finally:
            # When the client has its answer, or cannot have it: what was used was used.
            self.content = content_of(self._answer.document, body)


def refused(answer: Answer, call: Call, met: AttemptOutcome) -> ApiError:
    """Return the error for an answer that is no success.

    Args:
        met: what the attempt met.
    """
    error = _refused(answer, call, met.kind)
    error.detail = met.reason
    return error


def _refused(answer: Answer, call: Call, kind: str) -> ApiError:
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


def content_of(document: Any, body: bytes) -> ResponseContent:
    """Return what a whole answer says of its tokens and its end.

    Args:
        document: the body, parsed; None for one that is too large for that.
    """
    usage = usage_in(body) if document is None else _usage_of(document)
    finish_reason: str | None = None
    empty: bool | None = None
    loops: bool | None = None
    if isinstance(document, dict):
        choices = document.get("choices")
        if isinstance(choices, list):
            finish_reason, empty, loops = _end_of_choices(choices)
        else:
            made = document.get("content")
            if not isinstance(made, list):
                made = document.get("output")
            if isinstance(made, list):
                empty = not made
                reason = document.get("stop_reason") or document.get("status")
                finish_reason = reason if isinstance(reason, str) else None
    return ResponseContent(usage.prompt, usage.completion, 0, None, finish_reason, empty, loops)


def _usage_of(document: Any) -> TokenUsage:
    return token_usage(document.get("usage")) if isinstance(document, dict) else NOTHING_TOLD


def _end_of_choices(choices: list[Any]) -> tuple[str | None, bool, bool]:
    """Return the first finish reason of a completion, whether it is empty, and whether it loops."""
    finish_reason: str | None = None
    empty, loops = True, False
    for choice in choices:
        if isinstance(choice, dict):
            reason = choice.get("finish_reason")
            if finish_reason is None and isinstance(reason, str):
                finish_reason = reason
            message = choice.get("message")
            made = message if isinstance(message, dict) else choice
            if _holds_something(made):
                empty = False
                if _loops(made):
                    loops = True
    return finish_reason, empty, loops


def _loops(made: dict[str, Any]) -> bool:
    """Return whether what a choice says ends in a loop."""
    text = made.get("content") or made.get("text")
    return isinstance(text, str) and ends_in_loop(text[-TAIL_BYTES:].encode(errors="replace"))


_MADE: Final = (
    "content",
    "text",
    "tool_calls",
    "reasoning_content",
    "reasoning",
    "refusal",
    "audio",
)


def _holds_something(made: dict[str, Any]) -> bool:
    for field in _MADE:  # noqa: SIM110 - a generator would cost as much as the rest
        if made.get(field):
            return True
    return False
