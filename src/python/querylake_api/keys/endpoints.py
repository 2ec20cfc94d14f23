"""`/admin/keys`: creating, listing, changing and revoking keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from querylake_api.keys.dependencies import AdminKey, AdminRoute
from querylake_api.keys.schemas import (
    MAX_PAGE,
    CreatedKey,
    KeyChange,
    KeyPage,
    KeyRequest,
    KeyView,
)
from querylake_api.persistence.text import StorableText
from querylake_api.process.components import ComponentsDep

router = APIRouter(prefix="/admin/keys", tags=["keys"], route_class=AdminRoute)


@router.post("", status_code=201)
async def create_key(request: KeyRequest, components: ComponentsDep, _: AdminKey) -> CreatedKey:
    """Create a key. This answer is the only one that ever holds it."""
    new = await components.keys.create(request)
    return CreatedKey.with_secret(new.key, new.secret)


@router.get("")
async def list_keys(
    components: ComponentsDep,
    _: AdminKey,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: StorableText | None = None,
    include_revoked: bool = False,
) -> KeyPage:
    """List keys, newest first."""
    keys = await components.keys.page(limit=limit + 1, after=after, revoked=include_revoked)
    page = [KeyView.of(key) for key in keys[:limit]]
    return KeyPage(data=page, has_more=len(keys) > limit, last_id=page[-1].id if page else None)


@router.get("/{key_id}")
async def show_key(key_id: StorableText, components: ComponentsDep, _: AdminKey) -> KeyView:
    """Show one key."""
    return KeyView.of(await components.keys.get(key_id))


@router.patch("/{key_id}")
async def change_key(
    key_id: StorableText, change: KeyChange, components: ComponentsDep, _: AdminKey
) -> KeyView:
    """Change some things of a key; within a second, every process goes by them."""
    return KeyView.of(await components.keys.change(key_id, change))


@router.delete("/{key_id}")
async def revoke_key(key_id: StorableText, components: ComponentsDep, _: AdminKey) -> KeyView:
    """Revoke a key for good; within a second it opens nothing anywhere."""
    return KeyView.of(await components.keys.revoke(key_id))
