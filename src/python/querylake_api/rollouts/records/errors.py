"""What can be wrong with a request about rollouts."""

from __future__ import annotations

from collections.abc import Iterable

from querylake_api.errors import ApiError, invalid_request


def not_allowed(action: str, status: str, allowed: Iterable[str]) -> ApiError:
    """The rollout is in no state for that."""
    return invalid_request(
        f"A rollout that is {status} cannot {action}. "
        f"Allowed now: {', '.join(allowed) or 'nothing'}.",
        status=409,
        code="rollout_action_not_allowed",
    )


def rollout_not_found(rollout_id: str) -> ApiError:
    """An identifier names no rollout."""
    return invalid_request(
        f"There is no rollout with the id {rollout_id!r}. List them to see their ids.",
        status=404,
        code="rollout_not_found",
    )


def unknown_model(model: str, known: Iterable[str]) -> ApiError:
    """A plan names a model that the configuration does not have."""
    return invalid_request(
        f"There is no model {model!r}. The models are: {', '.join(sorted(known)) or 'none'}.",
        status=422,
        code="unknown_model",
        param="model",
    )


def no_candidate(model: str) -> ApiError:
    """A model has one stack only."""
    return invalid_request(
        f'The model {model!r} has no target with role = "candidate". Add one to the '
        "configuration and reload it.",
        status=422,
        code="no_candidate",
        param="model",
    )


def embeddings_need_consent(model: str) -> ApiError:
    """Vectors of two stacks must not be mixed unseen."""
    return invalid_request(
        f"The model {model!r} makes embeddings, and vectors of two stacks end up in one index. "
        "Set `allow_embeddings` to have their agreement checked before the start.",
        status=422,
        code="embeddings_need_consent",
        param="allow_embeddings",
    )


def another_is_live(model: str) -> ApiError:
    """One model, one live rollout."""
    return invalid_request(
        f"The model {model!r} has a rollout that is running or paused. End it first.",
        status=409,
        code="rollout_in_progress",
    )


def not_ready(reason: str) -> ApiError:
    """The promotion's conditions do not hold."""
    return invalid_request(
        f"Not promoted: {reason}. A named person can override this with a reason "
        "(`override_by` and `override_reason`), which is recorded.",
        status=409,
        code="promotion_refused",
    )


def stacks_disagree(reason: str) -> ApiError:
    """The two stacks' vectors or orders differ."""
    return invalid_request(
        f"Not started: {reason}. Nothing was sent to the candidate.",
        status=409,
        code="stacks_disagree",
    )


def database_away() -> ApiError:
    """A change could not be written."""
    return ApiError(
        "The database does not answer; nothing was changed. A rollback works without it.",
        status=503,
        type="server_error",
        code="rollout_database_unavailable",
        headers={"retry-after": "5"},
    )
