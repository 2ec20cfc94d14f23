"""What can be wrong with a key or with a request about keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from querylake_api.errors import EX_DATAERR, ApiError, OperatorError, invalid_request
from querylake_api.keys.models import Scope

MAX_PROBLEMS = 50
"""How many faults of a file are told at once."""

_CHALLENGE = {"www-authenticate": "Bearer"}


class ImportRefused(OperatorError):
    """A file of keys has faults; nothing of it was stored.

    Attributes:
        problems: one sentence each. None holds a key.
    """

    exit_code = EX_DATAERR

    def __init__(self, problems: Sequence[str]) -> None:
        shown = [*problems[:MAX_PROBLEMS]]
        if len(problems) > MAX_PROBLEMS:
            shown.append(f"and {len(problems) - MAX_PROBLEMS} more")
        super().__init__("nothing was imported:\n  " + "\n  ".join(shown))
        self.problems = problems


def missing_key() -> ApiError:
    """No key was presented."""
    return ApiError(
        "No API key was given. Send the header `Authorization: Bearer sk-...`, or `x-api-key`.",
        status=401,
        type="authentication_error",
        code="missing_api_key",
        headers=_CHALLENGE,
    )


def unknown_key() -> ApiError:
    """A key was presented that does not exist, or no longer does."""
    return ApiError(
        "The API key is not valid: it is mistyped or was revoked. Ask for a new one.",
        status=401,
        type="authentication_error",
        code="invalid_api_key",
        headers=_CHALLENGE,
    )


def expired_key(at: datetime) -> ApiError:
    """A key was presented after its time."""
    return ApiError(
        f"The API key expired at {at.isoformat(timespec='seconds')}. Ask for a new one.",
        status=401,
        type="authentication_error",
        code="expired_api_key",
        headers=_CHALLENGE,
    )


def unverifiable_key() -> ApiError:
    """A key was presented that is not known here while the database is away."""
    return ApiError(
        "The API key cannot be verified right now because the key database does not answer. "
        "Try again shortly.",
        status=503,
        type="server_error",
        code="key_database_unavailable",
        headers={"retry-after": "5"},
    )


def missing_scope(scope: Scope) -> ApiError:
    """A valid key was used where it opens nothing."""
    return ApiError(
        f"This API key lacks the scope '{scope}' that the endpoint needs.",
        status=403,
        type="permission_error",
        code="insufficient_scope",
    )


def database_unavailable() -> ApiError:
    """An administrative request could not be carried out."""
    return ApiError(
        "The key database does not answer; nothing was changed. Try again shortly.",
        status=503,
        type="server_error",
        code="key_database_unavailable",
        headers={"retry-after": "5"},
    )


def key_not_found(key_id: str) -> ApiError:
    """An identifier names no key."""
    return invalid_request(
        f"There is no API key with the id {key_id!r}. List them to see their ids.",
        status=404,
        code="key_not_found",
    )


def key_is_revoked(key_id: str) -> ApiError:
    """A revoked key was to be changed."""
    return invalid_request(
        f"The API key {key_id!r} is revoked for good and cannot be changed. Create another one.",
        status=409,
        code="key_revoked",
    )


def unknown_models(unknown: Iterable[str], known: Iterable[str]) -> ApiError:
    """An allow-list names models that the configuration does not have."""
    named = ", ".join(repr(name) for name in sorted(unknown))
    return invalid_request(
        f"No such model: {named}. The models are: {', '.join(sorted(known)) or 'none'}.",
        status=422,
        code="unknown_model",
        param="models",
    )
