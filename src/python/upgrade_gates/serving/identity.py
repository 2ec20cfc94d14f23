"""What is it that serves? The engine and its supervisor are asked, and compared with the lock.

Any server can stand at an address. Evidence names the lock, or the PEX, only where one of them was
seen to serve; otherwise it is about the server alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from upgrade_gates.context import Serving
from upgrade_gates.engine import secret
from upgrade_gates.serving.gpu_memory import is_here
from upgrade_gates.serving.running_pex import ServingBuild, serving_at, serving_by

ENGINE = "vllm"
LOCK, PEX = "runtime_lock", "runtime_pex"


class RuntimeStatus(BaseModel):
    """`GET /runtime/status` of the supervisor, as far as it says what serves."""

    model_config = ConfigDict(frozen=True)

    ready: bool
    engine_port: int
    engine_pid: int | None = None
    versions: Mapping[str, str | None] = {}


@dataclass(frozen=True)
class Identity:
    """What serves.

    Attributes:
        said: one clause.
        contradiction: how it differs from what it should be; None if it does not.
        binds: which of `runtime_lock` and `runtime_pex` was seen to serve.
        version: of the engine, as it says itself; None if it does not.
        output: raw answers.
    """

    said: str
    contradiction: str | None
    binds: tuple[str, ...]
    version: str | None
    output: str


def identify(
    serving: Serving, pins: Mapping[str, str], pex: Path | None, *, seconds: float
) -> Identity:
    """Ask the engine, and its supervisor where `serving.runtime_url` is set.

    Args:
        pins: versions in `runtime_lock`, by name; empty if there is no lock.
        pex: `runtime_pex`, if it is here.
        seconds: time limit for each request.

    Raises:
        ContextUnusable: the variable with the engine's key is not set.
    """
    output: list[str] = []
    key = secret(serving.key_env)
    document = _json(f"{serving.url.removesuffix('/v1')}/version", seconds, output, key)
    stated = document.get("version") if document is not None else None
    version = stated if isinstance(stated, str) else None
    status = _status(serving, seconds, output)
    build = _build(serving, status, pex)
    contradiction = _contradiction(serving, pins, version, status, build)
    binds: tuple[str, ...] = ()
    if contradiction is None:
        locked = status is not None and version is not None and bool(pins)
        binds += (LOCK,) if locked else ()
        binds += (PEX,) if build.is_pex else ()
    said = _said(serving, version, build, binds)
    return Identity(said, contradiction, binds, version, "\n".join(output))


def _build(serving: Serving, status: RuntimeStatus | None, pex: Path | None) -> ServingBuild:
    """Return what is seen of the process: the one that the supervisor names, or whoever listens."""
    here = is_here(urlsplit(serving.url).hostname or "")
    if here and status is not None and status.engine_pid is not None:
        return serving_by([status.engine_pid], pex, PEX)
    return serving_at(serving.url, pex, PEX)


def _contradiction(
    serving: Serving,
    pins: Mapping[str, str],
    version: str | None,
    status: RuntimeStatus | None,
    build: ServingBuild,
) -> str | None:
    pinned = pins.get(ENGINE)
    if build.is_another_build:
        return (
            f"process {build.process} serves {serving.url} from another build than {PEX}; start "
            "the engine from it, or name there the PEX that serves"
        )
    if version is not None and pinned is not None and _public(version) != _public(pinned):
        return f"{serving.url} is vLLM {version}, and runtime_lock pins {pinned}"
    if serving.runtime_url is None:
        return None
    if status is None:
        return f"{serving.runtime_url} gives no status of a vllm_runtime"
    if not status.ready:
        return f"{serving.runtime_url} says that its engine is not ready"
    if status.engine_port != urlsplit(serving.url).port:
        return (
            f"{serving.runtime_url} supervises an engine on port {status.engine_port}, which is "
            f"not {serving.url}"
        )
    for name, found in status.versions.items():
        wanted = pins.get(name)
        if wanted is not None and found is not None and _public(found) != _public(wanted):
            return f"{serving.runtime_url} runs {name} {found}, and runtime_lock pins {wanted}"
    return None


def _said(
    serving: Serving, version: str | None, build: ServingBuild, binds: tuple[str, ...]
) -> str:
    engine = f"vLLM {version}" if version is not None else "no version is stated"
    if PEX in binds:
        return f"{engine}, by process {build.process} of runtime_pex"
    if LOCK in binds:
        engine += ", the version of runtime_lock"
    unasked = "" if serving.runtime_url else ", and serving.runtime_url is not set"
    return f"{engine}; whether runtime_pex serves was not seen: {build.unknown}{unasked}"


def _status(serving: Serving, seconds: float, output: list[str]) -> RuntimeStatus | None:
    if serving.runtime_url is None:
        return None
    document = _json(f"{serving.runtime_url}/runtime/status", seconds, output)
    try:
        return None if document is None else RuntimeStatus.model_validate(document)
    except ValidationError:
        return None


def _json(
    url: str, seconds: float, output: list[str], key: str | None = None
) -> dict[str, Any] | None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(url, timeout=seconds, headers=headers)
        output.append(f"> GET {url}\n< {answer.status_code}\n{answer.text}")
        document = answer.json() if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, ValueError) as error:
        output.append(f"> GET {url}\n{error}")
        return None
    return document if isinstance(document, dict) else None


def _public(version: str) -> str:
    """Return a version without its local part (PEP 440): `0.13.0+cpu` is 0.13.0."""
    return version.partition("+")[0]
