"""`/`: the console for a browser, and for programs where things are."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
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
    console: str = "/ui"
    rollouts: str = "/ui/rollouts"


@router.get("/", response_model=FrontPage)
async def front_page(request: Request, response: Response) -> FrontPage | RedirectResponse:
    """Lead browsers to the console, and tell programs where things are."""
    response.headers["vary"] = "Accept"
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/ui", headers={"vary": "Accept"})
    return FrontPage(base_url=f"{str(request.base_url).rstrip('/')}/v1")
