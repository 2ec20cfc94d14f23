"""`/`: what this is, and where to go on, for people and for clients that ask there first."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from querylake_version import VERSION

router = APIRouter(tags=["health"])


class FrontPage(BaseModel):
    """Where things are.

    Attributes:
        base_url: for OpenAI's clients; Anthropic's add `/v1` themselves.
    """

    name: str = "QueryLake"
    version: str = VERSION
    base_url: str
    docs: str = "/docs"
    rollouts: str = "/ui/rollouts"


@router.get("/")
async def front_page(request: Request) -> FrontPage:
    """Say what this is, and where to go on."""
    return FrontPage(base_url=f"{str(request.base_url).rstrip('/')}/v1")


@router.get("/ui", include_in_schema=False)
async def first_page() -> RedirectResponse:
    """Lead on to the page that there is."""
    return RedirectResponse("/ui/rollouts")
