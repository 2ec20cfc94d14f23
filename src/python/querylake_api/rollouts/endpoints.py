"""`/admin/rollouts`: creating, watching and moving rollouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.process.components import Components, ComponentsDep
from querylake_api.rollouts.control.gates import Gates
from querylake_api.rollouts.records.event_view import EventView
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.schemas import (
    EventList,
    Promotion,
    Reasoned,
    RolledBack,
    RolloutList,
    RolloutView,
)

router = APIRouter(prefix="/admin/rollouts", tags=["rollouts"], route_class=AdminRoute)


@router.post("", status_code=201)
async def create_rollout(
    plan: RolloutPlan, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """Create a draft. Nothing moves until it is started."""
    rollouts = components.rollouts.service
    return RolloutView.of(await rollouts.create(plan, components.catalog, key.id))


@router.get("")
async def list_rollouts(components: ComponentsDep, _: AdminKey) -> RolloutList:
    """List rollouts, newest first."""
    page = await components.rollouts.service.page()
    return RolloutList(data=[RolloutView.of(rollout) for rollout in page])


@router.get("/{rollout_id}")
async def get_rollout(rollout_id: str, components: ComponentsDep, _: AdminKey) -> RolloutView:
    """Return a rollout with both arms, their intervals, and what follows from them."""
    return RolloutView.of(await components.rollouts.service.get(rollout_id))


@router.get("/{rollout_id}/events")
async def list_events(
    rollout_id: str,
    components: ComponentsDep,
    _: AdminKey,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> EventList:
    """Return what happened, oldest first, with the figures behind every decision."""
    events = await components.rollouts.service.events(rollout_id, after)
    return EventList(data=[EventView.of(event) for event in events])


@router.get("/{rollout_id}/watch", response_class=StreamingResponse)
async def watch_rollout(
    rollout_id: str, components: ComponentsDep, _: AdminKey
) -> StreamingResponse:
    """Stream events as they happen, as server-sent events."""
    service = components.rollouts.service
    await service.get(rollout_id)

    async def lines() -> AsyncIterator[bytes]:
        async for event in service.watch(rollout_id):
            if event is None:
                yield b": waiting\n\n"
            else:
                view = EventView.of(event).model_dump_json()
                yield f"id: {event.id}\nevent: {event.kind}\ndata: {view}\n\n".encode()

    return StreamingResponse(lines(), media_type="text/event-stream")


@router.post("/{rollout_id}/start")
async def start_rollout(
    rollout_id: str, request: Reasoned, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """Begin the first step."""
    service = components.rollouts.service
    return RolloutView.of(
        await service.start(rollout_id, components.catalog, key.id, request.reason)
    )


@router.post("/{rollout_id}/pause")
async def pause_rollout(
    rollout_id: str, request: Reasoned, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """Keep the shares as they are. What harms is still rolled back."""
    service = components.rollouts.service
    return RolloutView.of(await service.pause(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/resume")
async def resume_rollout(
    rollout_id: str, request: Reasoned, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """Go on after a pause."""
    service = components.rollouts.service
    return RolloutView.of(await service.resume(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/abort")
async def abort_rollout(
    rollout_id: str, request: Reasoned, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """End it without a verdict; everything goes to the stable stack."""
    service = components.rollouts.service
    return RolloutView.of(await service.abort(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/promote")
async def promote_rollout(
    rollout_id: str, request: Promotion, components: ComponentsDep, key: AdminKey
) -> RolloutView:
    """Give the candidate everything, if it is through its steps and the gates hold."""
    service = components.rollouts.service
    return RolloutView.of(
        await service.promote(
            rollout_id, gates_of(components), key.id, request.reason, request.override
        )
    )


@router.post("/{rollout_id}/rollback", responses={202: {"model": RolledBack}})
async def rollback_rollout(
    rollout_id: str, request: Reasoned, components: ComponentsDep, key: AdminKey, response: Response
) -> RolledBack:
    """Give the stable stack everything, at once; this works without the database (202)."""
    service = components.rollouts.service
    status, recorded = await service.rollback(rollout_id, key.id, request.reason)
    response.status_code = 200 if recorded else 202
    return RolledBack(id=rollout_id, status=status, recorded=recorded)


def gates_of(components: Components) -> Gates:
    """Return the gates that the configuration names."""
    configuration = components.configuration
    folder: Path = configuration.folder
    return Gates(configuration.settings.rollouts.gates_command, folder)
