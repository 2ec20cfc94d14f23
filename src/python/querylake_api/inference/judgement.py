"""What an attempt met, told from the answer or from the error that it brought. Pure."""

# compiled: runs for each request.

from __future__ import annotations

from types import NoneType
from typing import Final

from llm_provider.attempt_outcome import ANSWERED, BEGUN, AttemptKind, AttemptOutcome
from llm_provider.errors import (
    AnswerUnfit,
    EventTooLarge,
    ProviderError,
    StreamEmpty,
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_provider.retry_after import retry_after_seconds
from querylake_api.inference.answer import Answer
from querylake_api.inference.refusals import CREDENTIALS, is_about_target

MAX_HOLD_SECONDS: Final = 10.0
"""However long an engine asks to be left alone, others may be worse off by then."""

_NOT_HERE: Final = (405, 410, 421, 426, 501)
"""Statuses that say that the route, or the way to it, is not what was configured."""


def judge_error(error: ProviderError) -> AttemptOutcome:
    """Judge an attempt that brought no answer, or a stream that broke off."""
    return AttemptOutcome(_kind_of(error), reason=str(error))


def _kind_of(error: ProviderError) -> AttemptKind:
    match error:
        case UpstreamUnavailable():
            return "unreachable"
        case UpstreamTimeout(phase="total"):
            return "out_of_time"
        case UpstreamTimeout(phase="connect"):
            return "unreachable"
        case UpstreamTimeout():
            return "no_answer"
        case UpstreamDisconnected():
            return "disconnected"
        case StreamInterrupted():
            return "truncated"
        case EventTooLarge():
            return "oversized"
        case StreamEmpty():
            return "empty"
        case AnswerUnfit():
            return "unfit"
        case _:
            return "nonsense"


def judge_answer(answer: Answer, *, stream: bool, listed: bool = False) -> AttemptOutcome:
    """Judge an attempt that brought an answer, or the beginning of one.

    Args:
        stream: whether a stream was asked for.
        listed: whether a JSON list is an answer, too.
    """
    if answer.error is None and 200 <= answer.status < 300:
        return _judge_success(answer, stream, listed)
    status = answer.status
    where = f"upstream {answer.target.upstream!r}"
    retry_after = answer.headers.get("retry-after")
    if answer.error is not None:
        reason = f"{where} answered 200 with an error inside that amounts to status {status}"
        retry_after = retry_after or ("0" if status == 429 else None)
    else:
        reason = f"{where} answered with status {status}"
    hold = 0.0 if retry_after is None else min(retry_after_seconds(retry_after), MAX_HOLD_SECONDS)
    return AttemptOutcome(_kind_of_status(answer, retry_after is not None), status, reason, hold)


def _kind_of_status(answer: Answer, says_when: bool) -> AttemptKind:
    status = answer.status
    if status in (429, 503) and says_when:
        return "busy"
    if status == 503:
        return "overloaded"
    if status < 400 or status in CREDENTIALS or status in _NOT_HERE:
        return "unfit"
    if status >= 500:
        return "failed"
    if is_about_target(status, answer.body, answer.error, answer.target.model):
        return "unfit"
    return "rejected"


def _judge_success(answer: Answer, stream: bool, listed: bool) -> AttemptOutcome:
    where = f"upstream {answer.target.upstream!r}"
    if answer.rest is not None:
        return BEGUN
    if not answer.complete:
        if not stream and answer.body.lstrip().startswith((b"data:", b"event:", b":")):
            return AttemptOutcome("unfit", reason=f"{where} sent a stream that nobody asked for")
        return AttemptOutcome("nonsense", reason=f"{where} sent no complete JSON object")
    if not (
        isinstance(answer.document, dict | NoneType) or listed and isinstance(answer.document, list)
    ):
        return AttemptOutcome("unfit", reason=f"{where} sent JSON that is no object")
    if stream:
        return AttemptOutcome("unfit", reason=f"{where} sent a whole answer instead of a stream")
    return ANSWERED
