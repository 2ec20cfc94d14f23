"""Authentication as FastAPI endpoints ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from querylake_api.keys.models import ApiKey, Scope
from querylake_api.process.components import ComponentsDep
from querylake_api.requests.record import RECORD, RequestRecord

# Declares the scheme in the OpenAPI document. The check itself is `Authenticator`'s, so that
# documented and hot routes cannot differ.
_BEARER = HTTPBearer(auto_error=False, description="A QueryLake key, `sk-...`.")
_Documented = Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]


def _requires(scope: Scope) -> Callable[..., Awaitable[ApiKey]]:
    async def authenticated(
        request: Request, components: ComponentsDep, _documented: _Documented
    ) -> ApiKey:
        key = await components.authenticator.authenticate(request.scope["headers"], scope)
        record: RequestRecord = request.scope[RECORD]
        record.key_id = key.id
        return key

    return authenticated


AdminKey = Annotated[ApiKey, Depends(_requires(Scope.ADMIN))]
InferenceKey = Annotated[ApiKey, Depends(_requires(Scope.INFERENCE))]
