"""What an attempt says of the engine, and whether the request may be sent again. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from llm_provider.errors import (
    EventTooLarge,
    ProviderError,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_provider.sse import EventParser
from llm_provider.stream_observer import error_in
from querylake_api.inference.answer import Answer
from querylake_api.inference.refusals import error_in_success

MAX_HOLD_SECONDS = 10.0
"""However long an engine asks to be left alone, others may be worse off by then."""

EngineVerdict = Literal["well", "failed", "unknown"]
"""`unknown`: it says nothing of the engine, e.g. a 4xx."""

Retry = Literal["never", "untouched", "touched"]
"""`untouched`: no engine has begun on the request, so another may have it. `touched`: an engine may
have died on it, so it is dangerous, and one more may have it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """About one attempt.

    Attributes:
        hold: for how many seconds the engine wants no more requests.
        reason: what happened, in one clause; empty if nothing did.
        unconnected: there was not even a connection.
    """

    engine: EngineVerdict
    retry: Retry
    hold: float = 0.0
    reason: str = ""
    unconnected: bool = False


BEGUN = Judgement("unknown", "never")
"""A stream has begun well; how it ends will tell."""

_WELL = Judgement("well", "never")


def judge_error(error: ProviderError) -> Judgement:
    """Judge an attempt that brought no answer."""
    reason = str(error)
    if isinstance(error, UpstreamUnavailable):
        return Judgement("failed", "untouched", reason=reason, unconnected=True)
    if isinstance(error, UpstreamTimeout):
        if error.phase == "total":
            # The engine worked; the operator's patience was at its end.
            return Judgement("unknown", "never", reason=reason)
        if error.phase == "connect":
            return Judgement("failed", "untouched", reason=reason, unconnected=True)
        return Judgement("failed", "touched", reason=reason)
    if isinstance(error, EventTooLarge):
        return Judgement("failed", "never", reason=reason)
    return Judgement("failed", "touched", reason=reason)


def judge_answer(answer: Answer) -> Judgement:
    """Judge an attempt that brought an answer, or the beginning of one."""
    status = answer.status
    if 200 <= status < 300:
        return _judge_whole(answer) if answer.rest is None else _judge_beginning(answer)
    reason = f"upstream {answer.target.upstream!r} answered with status {status}"
    retry_after = answer.headers.get("retry-after")
    if status in (429, 503) and retry_after is not None:
        return Judgement("unknown", "untouched", _hold(retry_after), reason)
    if status == 503:
        return Judgement("failed", "untouched", reason=reason)
    if status in (500, 502, 504):
        return Judgement("failed", "touched", reason=reason)
    # 501 and its like speak of what was asked; redirects, of the configuration.
    return Judgement("unknown", "never", reason=reason)


def _judge_whole(answer: Answer) -> Judgement:
    where = f"upstream {answer.target.upstream!r}"
    if not answer.body.lstrip().startswith(b"{"):
        return Judgement("failed", "touched", reason=f"{where} sent no JSON object")
    error = error_in_success(answer.body, "")
    if error is None:
        return _WELL
    reason = f"{where} answered 200 with an error inside"
    if error.status < 500:
        return Judgement("unknown", "never", reason=reason)
    return Judgement("failed", "touched", reason=reason)


def _judge_beginning(answer: Answer) -> Judgement:
    """Look for an error as the first event: vLLM sends the head before its engine begins."""
    if b'"error"' not in answer.body:
        return BEGUN
    for event in EventParser().feed(answer.body):
        try:
            document = orjson.loads(event.data)
        except orjson.JSONDecodeError:
            return BEGUN
        if not isinstance(document, dict) or error_in(document) is None:
            return BEGUN
        reason = f"upstream {answer.target.upstream!r} sent an error as the first event"
        return Judgement("failed", "touched", reason=reason)
    return BEGUN


def _hold(retry_after: str) -> float:
    """Return the seconds that a header asks for; a date counts as a second."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return 1.0
    return min(max(0.0, seconds), MAX_HOLD_SECONDS) if seconds == seconds else 1.0
