"""The files of the pages, put together so that a page loads with three requests.

There is no build step: our own scripts share one scope and are sent as one file, after the bundled
libraries, which `build-support/web-libraries` has made.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

_SCRIPTS = (
    "client.js",
    "format.js",
    "parts.js",
    "charts.js",
    "overview.js",
    "rollout_parts.js",
    "rollouts.js",
    "keys.js",
    "usage.js",
    "gates.js",
    "snippets.js",
    "playground.js",
    "shell.js",
)
"""In the order in which they need each other."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent.

    Attributes:
        etag: changes with the content.
    """

    content: bytes
    media_type: str
    etag: str


@cache
def page() -> Asset:
    """Return the page of the whole console."""
    return _asset("text/html", _read("assets", "console.html"))


@cache
def script() -> Asset:
    """Return the script of the console, with the libraries that it uses."""
    own = b"\n".join(_read("assets", name) for name in _SCRIPTS)
    # One function around all of it, so that nothing becomes a global name.
    wrapped = b'(() => {\n"use strict";\n' + own + b"})();\n"
    return _asset("text/javascript", _read("libraries", "libraries.js") + b"\n" + wrapped)


@cache
def style() -> Asset:
    """Return the style of the console."""
    return _asset("text/css", _read("libraries", "uplot.css") + _read("assets", "console.css"))


@cache
def reference_page() -> Asset:
    """Return the page of the API reference."""
    return _asset("text/html", _read("assets", "reference.html"))


@cache
def reference_script() -> Asset:
    """Return the script that renders the OpenAPI document."""
    renderer = _read("libraries", "swagger-ui-bundle.js")
    return _asset("text/javascript", renderer + b"\n" + _read("assets", "reference.js"))


@cache
def reference_style() -> Asset:
    """Return the style of the API reference."""
    own = _read("assets", "reference.css")
    return _asset("text/css", _read("libraries", "swagger-ui.css") + b"\n" + own)


def _asset(media_type: str, content: bytes) -> Asset:
    digest = hashlib.sha256(content).hexdigest()
    return Asset(content, f"{media_type}; charset=utf-8", f'"{digest[:32]}"')


def _read(folder: str, name: str) -> bytes:
    return resources.files(__package__).joinpath(folder, name).read_bytes()
