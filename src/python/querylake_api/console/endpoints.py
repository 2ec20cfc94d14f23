"""What the console asks for beyond the API's other routes."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from querylake_api.console.gate_state import RecentGates
from querylake_api.console.overview import RecentOverview
from querylake_api.console.schemas import GateState, Overview, Session
from querylake_api.errors import ApiError
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.process.components import ComponentsDep


def console_router() -> APIRouter:
    """Return the routes, with what they remember from one request to the next."""
    router = APIRouter()
    admin = APIRouter(prefix="/admin", tags=["console"], route_class=AdminRoute)
    recent = RecentOverview()
    gates = RecentGates()

    @admin.get("/overview", responses={200: {"model": Overview}}, response_class=Response)
    async def overview(
        components: ComponentsDep,
        _: AdminKey,
        since: Annotated[
            int, Query(ge=0, lt=2**63, description="Unix seconds; no minutes before them.")
        ] = 0,
    ) -> Response:
        """Return engines, models, traffic, and what needs a human; at most a second old."""
        document = await recent.document(components, since)
        return Response(orjson.dumps(document), media_type="application/json")

    @admin.get("/gates")
    async def gate_state(
        components: ComponentsDep,
        _: AdminKey,
        fresh: Annotated[bool, Query(description="Run the command now.")] = False,
    ) -> GateState:
        """Run `rollouts.gates_command` and return what it says; at most 30 s old."""
        return await gates.state(components, fresh=fresh)

    @router.get("/ui/session", include_in_schema=False)
    async def session(request: Request, components: ComponentsDep) -> Session:
        key = await _any_key(components.authenticator, request)
        return Session(
            id=key.id,
            name=key.name,
            hint=key.hint,
            scopes=sorted(key.scopes),
            models=None if key.models is None else sorted(key.models),
            expires_at=key.expires_at,
        )

    router.include_router(admin)
    return router


async def _any_key(authenticator: Authenticator, request: Request) -> ApiKey:
    """Return the key of a request, whatever it opens."""
    headers = request.scope["headers"]
    try:
        return await authenticator.authenticate(headers, Scope.INFERENCE)
    except ApiError as error:
        if error.status != 403:
            raise
    return await authenticator.authenticate(headers, Scope.ADMIN)
