"""What can go wrong with an inference request, as its caller is told.

Messages name the model that the caller asked for and never an engine's name or address: those are
in the log, under the same request id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from llm_provider.errors import (
    AnswerUnfit,
    BreakerOpen,
    EventTooLarge,
    NotInRotation,
    ProviderError,
    StreamEmpty,
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from querylake_api.errors import ApiError, invalid_request


def invalid_json(reason: str) -> ApiError:
    """The request is not JSON."""
    return invalid_request(f"The request body is not valid JSON: {reason}.", code="invalid_json")


def not_an_object() -> ApiError:
    """The request is JSON, but not an object."""
    return invalid_request(
        "The request body must be a JSON object with at least the field `model`.",
        code="invalid_json",
    )


def missing_model() -> ApiError:
    """The request names no model."""
    return invalid_request(
        "The field `model` is missing. Name a model; GET /v1/models lists them.",
        code="missing_model",
        param="model",
    )


def wrong_model_type() -> ApiError:
    """The request's model is not a name."""
    return invalid_request(
        "The field `model` must be a non-empty string.", code="invalid_type", param="model"
    )


def wrong_stream_type() -> ApiError:
    """The request's `stream` is neither true nor false."""
    return invalid_request(
        "The field `stream` must be true or false.", code="invalid_type", param="stream"
    )


def stream_unsupported(path: str) -> ApiError:
    """A stream was asked of an endpoint that has none."""
    return invalid_request(
        f"{path} does not stream. Leave `stream` out.", code="stream_unsupported", param="stream"
    )


def model_not_found(name: str, known: Iterable[str]) -> ApiError:
    """No model has this name."""
    return invalid_request(
        f"The model {name[:200]!r} does not exist. Available: {_listed(known)}.",
        status=404,
        code="model_not_found",
        param="model",
    )


def model_not_allowed(name: str) -> ApiError:
    """The model exists, but not for this key."""
    return ApiError(
        f"This API key may not use the model {name!r}. GET /v1/models lists those it may.",
        status=403,
        type="permission_error",
        code="model_not_allowed",
        param="model",
    )


def capability_missing(
    name: str, wanted: str, has: Collection[str], able: Collection[str]
) -> ApiError:
    """The model exists, but does something else."""
    return invalid_request(
        f"The model {name!r} does not support {wanted}; it supports {_listed(sorted(has))}. "
        f"Models that support {wanted}: {_listed(able)}.",
        code="capability_not_supported",
        param="model",
    )


def from_provider(error: ProviderError, model: str) -> ApiError:
    """Return what a caller is told of a failed call to an engine; the rest is its `detail`."""
    told = _from_provider(error, model)
    told.detail = str(error)
    return told


def _from_provider(error: ProviderError, model: str) -> ApiError:
    match error:
        case BreakerOpen():
            return _upstream_error(
                f"The engine of {model!r} is recovering from failures. Try again shortly.",
                status=503,
                code="upstream_recovering",
                retry_after=max(1, round(error.retry_after)),
            )
        case NotInRotation():
            return _upstream_error(
                f"No engine of {model!r} takes requests right now. Try again shortly.",
                status=503,
                code="upstream_unavailable",
                retry_after=1,
            )
        case UpstreamUnavailable():
            return _upstream_error(
                f"The engine of {model!r} cannot be reached. Try again shortly.",
                status=503,
                code="upstream_unavailable",
                retry_after=1,
            )
        case UpstreamTimeout():
            return _upstream_error(
                f"The engine of {model!r} did not answer in time "
                f"({error.phase.replace('_', ' ')} timeout after {error.seconds:g} s).",
                status=504,
                code="upstream_timeout",
            )
        case StreamInterrupted() | UpstreamDisconnected():
            return upstream_interrupted(model)
        case EventTooLarge() | StreamEmpty() | AnswerUnfit():
            return upstream_nonsense(model)
        case _:
            return upstream_failed(model)


def queue_full(model: str, retry_after: int) -> ApiError:
    """As many requests wait for the model as may."""
    return ApiError(
        f"Too many requests wait for {model!r}. Try again in {retry_after} s.",
        status=429,
        type="rate_limit_error",
        code="queue_full",
        headers={"retry-after": str(retry_after)},
    )


def queue_timeout(model: str, seconds: float) -> ApiError:
    """The request has waited for its turn for too long."""
    return ApiError(
        f"{model!r} was busy for the {seconds:g} s that a request may wait. Try again shortly.",
        status=503,
        type="server_error",
        code="queue_timeout",
        headers={"retry-after": "1"},
    )


def deadline_exceeded(model: str, seconds: float) -> ApiError:
    """The model's own deadline passed, whatever the request was waiting for."""
    return _upstream_error(
        f"{model!r} had no answer within the {seconds:g} s that it may take.",
        status=504,
        code="deadline_exceeded",
    )


def upstream_failed(model: str) -> ApiError:
    """The engine answered with a fault of its own."""
    return _upstream_error(
        f"The engine of {model!r} failed on this request.", status=502, code="upstream_failed"
    )


def upstream_overloaded(model: str, retry_after: str | None) -> ApiError:
    """The engine says that it takes no more for now."""
    error = _upstream_error(
        f"The engine of {model!r} takes no requests right now. Try again shortly.",
        status=503,
        code="upstream_overloaded",
    )
    error.headers["retry-after"] = retry_after or "1"
    return error


def upstream_timed_out(model: str) -> ApiError:
    """A proxy in front of the engine gave up waiting."""
    return _upstream_error(
        f"The engine of {model!r} did not answer in time.", status=504, code="upstream_timeout"
    )


def upstream_credentials(model: str) -> ApiError:
    """The engine refused QueryLake's own key: nothing that the caller could mend."""
    return _upstream_error(
        f"The engine of {model!r} refused QueryLake's credentials. The operator must correct them.",
        status=502,
        code="upstream_credentials",
    )


def upstream_misconfigured(model: str, status: int) -> ApiError:
    """The engine is well, and not what the configuration says of it."""
    return _upstream_error(
        f"The engine of {model!r} is not set up for this request: it answered with status "
        f"{status}. The operator must correct the upstream's base_url, or the model's name there.",
        status=502,
        code="upstream_misconfigured",
    )


def upstream_interrupted(model: str) -> ApiError:
    """The engine's answer has a beginning and no end."""
    return _upstream_error(
        f"The engine of {model!r} ended the answer before it was complete.",
        status=502,
        code="upstream_interrupted",
    )


def not_offered_by_engine(model: str, path: str) -> ApiError:
    """The endpoint is one that not every engine has."""
    return invalid_request(
        f"The engine of {model!r} does not have {path}.", status=404, code="not_offered_by_engine"
    )


def upstream_nonsense(model: str) -> ApiError:
    """The engine's answer is none."""
    return _upstream_error(
        f"The engine of {model!r} sent something that is not an answer.",
        status=502,
        code="upstream_invalid_response",
    )


def _upstream_error(
    message: str, *, status: int, code: str, retry_after: int | None = None
) -> ApiError:
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return ApiError(message, status=status, type="upstream_error", code=code, headers=headers)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
