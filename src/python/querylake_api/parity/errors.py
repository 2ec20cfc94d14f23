"""Errors of the parity routes."""

from __future__ import annotations

from querylake_api.errors import ApiError


def parity_unavailable() -> ApiError:
    """Recorded requests and pairs are in the database, and it does not answer."""
    return ApiError(
        "The database does not answer, so nothing can be said of recorded requests and pairs; "
        "nothing was changed.",
        status=503,
        type="server_error",
        code="parity_database_unavailable",
        headers={"retry-after": "5"},
    )


def no_pairs(rollout_id: str) -> ApiError:
    """A rollout's plan has no `parity`."""
    return ApiError(
        f"Rollout {rollout_id} makes no pairs: its plan has no `parity`.",
        status=404,
        type="invalid_request_error",
        code="rollout_without_parity",
    )
