"""`/admin/rollouts`: creating, watching and moving rollouts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from querylake_api.keys.dependencies import AdminKey
from querylake_api.process.components import Services, ServicesDep
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

router = APIRouter(prefix="/admin/rollouts", tags=["rollouts"])


@router.post("", status_code=201)
async def create_rollout(plan: RolloutPlan, services: ServicesDep, key: AdminKey) -> RolloutView:
    """Create a draft. Nothing moves until it is started."""
    rollouts = services.rollouts.service
    return RolloutView.of(await rollouts.create(plan, services.catalog, key.id))


@router.get("")
async def list_rollouts(services: ServicesDep, _: AdminKey) -> RolloutList:
    """List rollouts, newest first."""
    page = await services.rollouts.service.page()
    return RolloutList(data=[RolloutView.of(rollout) for rollout in page])


@router.get("/{rollout_id}")
async def get_rollout(rollout_id: str, services: ServicesDep, _: AdminKey) -> RolloutView:
    """Return a rollout with both arms, their intervals, and what follows from them."""
    return RolloutView.of(await services.rollouts.service.get(rollout_id))


@router.get("/{rollout_id}/events")
async def list_events(
    rollout_id: str, services: ServicesDep, _: AdminKey, after: int = 0
) -> EventList:
    """Return what happened, oldest first, with the figures behind every decision."""
    events = await services.rollouts.service.events(rollout_id, after)
    return EventList(data=[EventView.of(event) for event in events])


@router.get("/{rollout_id}/watch", response_class=StreamingResponse)
async def watch_rollout(rollout_id: str, services: ServicesDep, _: AdminKey) -> StreamingResponse:
    """Stream events as they happen, as server-sent events."""
    service = services.rollouts.service
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
    rollout_id: str, request: Reasoned, services: ServicesDep, key: AdminKey
) -> RolloutView:
    """Begin the first step."""
    service = services.rollouts.service
    return RolloutView.of(await service.start(rollout_id, services.catalog, key.id, request.reason))


@router.post("/{rollout_id}/pause")
async def pause_rollout(
    rollout_id: str, request: Reasoned, services: ServicesDep, key: AdminKey
) -> RolloutView:
    """Keep the shares as they are. What harms is still rolled back."""
    service = services.rollouts.service
    return RolloutView.of(await service.pause(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/resume")
async def resume_rollout(
    rollout_id: str, request: Reasoned, services: ServicesDep, key: AdminKey
) -> RolloutView:
    """Go on after a pause."""
    service = services.rollouts.service
    return RolloutView.of(await service.resume(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/abort")
async def abort_rollout(
    rollout_id: str, request: Reasoned, services: ServicesDep, key: AdminKey
) -> RolloutView:
    """End it without a verdict; everything goes to the stable stack."""
    service = services.rollouts.service
    return RolloutView.of(await service.abort(rollout_id, key.id, request.reason))


@router.post("/{rollout_id}/promote")
async def promote_rollout(
    rollout_id: str, request: Promotion, services: ServicesDep, key: AdminKey
) -> RolloutView:
    """Give the candidate everything, if it is through its steps and the gates hold."""
    service = services.rollouts.service
    return RolloutView.of(
        await service.promote(
            rollout_id, gates_of(services), key.id, request.reason, request.override
        )
    )


@router.post("/{rollout_id}/rollback", responses={202: {"model": RolledBack}})
async def rollback_rollout(
    rollout_id: str, request: Reasoned, services: ServicesDep, key: AdminKey, response: Response
) -> RolledBack:
    """Give the stable stack everything, at once; this works without the database (202)."""
    service = services.rollouts.service
    status, recorded = await service.rollback(rollout_id, key.id, request.reason)
    response.status_code = 200 if recorded else 202
    return RolledBack(id=rollout_id, status=status, recorded=recorded)


def gates_of(services: Services) -> Gates:
    """Return the gates that the configuration names."""
    configuration = services.configuration
    folder: Path = configuration.folder
    return Gates(configuration.settings.rollouts.gates_command, folder)
