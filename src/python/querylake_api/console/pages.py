"""`/ui` and `/docs`: pages for people. They hold no data, so they need no key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from querylake_api.console import assets
from querylake_api.console.assets import Asset

router = APIRouter(include_in_schema=False)

PAGES = ("rollouts", "keys", "usage", "gates", "playground")
"""Below `/ui`. One page shows them all, and the script picks by the path."""

SECURITY_HEADERS = {
    # Images are drawn in style sheets as `data:`; nothing else comes from anywhere but here.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    # Asked again each time, so that an upgrade shows at once; unchanged, nothing is sent.
    "cache-control": "no-cache",
}


def _sent(asset: Asset, request: Request) -> Response:
    headers = {**SECURITY_HEADERS, "etag": asset.etag}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


async def _console(request: Request) -> Response:
    return _sent(assets.page(), request)


router.add_api_route("/ui", _console)
for _page in PAGES:
    router.add_api_route(f"/ui/{_page}", _console)


@router.get("/ui/")
async def without_slash() -> RedirectResponse:
    """Lead to the one address of the first page."""
    return RedirectResponse("/ui")


@router.get("/ui/console.js")
async def console_script(request: Request) -> Response:
    """Return the script of the console."""
    return _sent(assets.script(), request)


@router.get("/ui/console.css")
async def console_style(request: Request) -> Response:
    """Return the style of the console."""
    return _sent(assets.style(), request)


@router.get("/docs")
async def reference(request: Request) -> Response:
    """Return the API reference, which works without internet."""
    return _sent(assets.reference_page(), request)


@router.get("/docs/reference.js")
async def reference_script(request: Request) -> Response:
    """Return the script of the API reference."""
    return _sent(assets.reference_script(), request)


@router.get("/docs/reference.css")
async def reference_style(request: Request) -> Response:
    """Return the style of the API reference."""
    return _sent(assets.reference_style(), request)
