"""`/ui/rollouts`: the page. It holds no data; the browser asks `/admin/rollouts` with a key."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


def _file(name: str, media_type: str) -> Response:
    content = resources.files(__package__).joinpath(name).read_bytes()
    return Response(content, media_type=media_type, headers=_HEADERS)


@router.get("/ui/rollouts")
async def page() -> Response:
    """Return the page."""
    return _file("rollouts.html", "text/html; charset=utf-8")


@router.get("/ui/rollouts.js")
async def script() -> Response:
    """Return what moves it."""
    return _file("rollouts.js", "text/javascript; charset=utf-8")


@router.get("/ui/rollouts.css")
async def style() -> Response:
    """Return how it looks."""
    return _file("rollouts.css", "text/css; charset=utf-8")
