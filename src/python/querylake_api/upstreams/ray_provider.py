"""The old way to an engine: a deployment of a Ray Serve application, asked through its handle.

It keeps the in-process engines of an existing QueryLake cluster in service while new stacks are
brought up beside them. Their code stays in the cluster; here is only their protocol. A chat is a
call of `create_chat_completion_original(request, None)`, and its answer is a stream of strings
whose first one says what it is: a whole answer, an error, or the beginning of an event stream.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import orjson
import ray
from ray import serve
from ray.serve.handle import DeploymentHandle

from llm_provider.config import UpstreamConfig
from llm_provider.engine_metrics import EngineMetrics
from llm_provider.errors import (
    StreamInterrupted,
    UpstreamDisconnected,
    UpstreamFailed,
    UpstreamUnavailable,
)
from llm_provider.provider import Health, Relay
from llm_provider.relaying import RelayingProvider
from querylake_api.settings import SERVE_SCHEME
from querylake_api.upstreams.ray_strings import RAY_FAULTS, Strings, clause

CHAT_METHOD = "create_chat_completion_original"

_CHAT = ("POST", "/chat/completions")
_WHOLE, _STREAM, _ERROR = (f">>>>>>>>>>>{kind}" for kind in ("STANDARD", "STREAM", "ERROR"))
_SEPARATOR = " | "


class RayServeProvider(RelayingProvider):
    """One deployment of the cluster that this process belongs to, or that `RAY_ADDRESS` names.

    Args:
        config: its `base_url` is `serve://application/deployment`.
    """

    def __init__(self, config: UpstreamConfig) -> None:
        super().__init__(config.name)
        self.config = config
        place = config.base_url.removeprefix(SERVE_SCHEME)
        self._application, _, self._deployment = place.partition("/")
        self._handle: DeploymentHandle[Any] | None = None
        self._connecting = asyncio.Lock()

    async def relay(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        request_id: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Relay:
        """Send one request; see `LLMProvider.relay`. Only chats have a way through a handle."""
        if (method, path) != _CHAT:
            message = f"The deployment {self._deployment} serves chats only."
            return _Whole(404, orjson.dumps({"error": {"message": message, "code": 404}}))
        strings = Strings(self.config, await self._chats(), orjson.loads(body or b"{}"), None)
        try:
            first = await strings.next("first_byte")
        except BaseException:
            strings.cancel()
            raise
        return self._begun(first or "", strings)

    async def health(self) -> Health:
        """Ask Serve how the deployment is; a failure is a `Health`, never an exception."""
        started = time.monotonic()
        try:
            await self._chats()
            status = await asyncio.to_thread(serve.status)
        except (UpstreamUnavailable, *RAY_FAULTS) as error:
            return Health(False, clause(error), time.monotonic() - started)
        taken = time.monotonic() - started
        application = status.applications.get(self._application)
        deployment = application and application.deployments.get(self._deployment)
        if not deployment:
            return Health(False, "the cluster has no such deployment", taken)
        state = str(deployment.status.value)
        return Health(state == "HEALTHY", state.lower(), taken)

    async def metrics(self) -> EngineMetrics | None:
        """Return None: a handle tells nothing of the engine's work."""
        return None

    async def close(self) -> None:
        """Let go of the handle. The connection to the cluster is the process's, and stays."""
        self._handle = None

    async def _chats(self) -> DeploymentHandle[Any]:
        """Return the handle for chats.

        Raises:
            UpstreamUnavailable: there is no cluster, or it has no such deployment.
        """
        async with self._connecting:
            if self._handle is None:
                try:
                    self._handle = await asyncio.to_thread(self._connect)
                except RAY_FAULTS as error:
                    raise UpstreamUnavailable(
                        self.name, f"upstream {self.name!r}: {clause(error)}"
                    ) from error
            return self._handle

    def _connect(self) -> DeploymentHandle[Any]:
        if not ray.is_initialized():
            ray.init(address="auto", log_to_driver=False, configure_logging=False)
        handle = serve.get_deployment_handle(self._deployment, self._application)
        return handle.options(method_name=CHAT_METHOD)

    def _begun(self, first: str, strings: Strings) -> Relay:
        kind, _, rest = first.partition(_SEPARATOR)
        if kind == _STREAM:
            return _Streamed(self.name, strings)
        strings.cancel()
        if kind == _WHOLE:
            return _Whole(200, rest.encode())
        if kind == _ERROR:
            return _Whole(_status(rest), rest.encode())
        raise UpstreamFailed(
            self.name, 0, b"", f"upstream {self.name!r} answers in another protocol"
        )


class _Whole(Relay):
    """An answer that is here already."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": "application/json"}
        self._body = body

    async def __aenter__(self) -> _Whole:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        return None

    async def piece(self) -> bytes:
        """Return the body, and then nothing."""
        body, self._body = self._body, b""
        return body


class _Streamed(Relay):
    """An answer whose events are still to come."""

    def __init__(self, upstream: str, strings: Strings) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {"content-type": "text/event-stream"}
        self._upstream = upstream
        self._strings = strings
        self._taken = 0

    async def __aenter__(self) -> _Streamed:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # Before the last string, this is how the engine learns to stop.
        self._strings.cancel()

    async def piece(self) -> bytes:
        """Return the next string that is not empty; see `Relay.piece`."""
        string: str | None = ""
        try:
            while string == "":
                string = await self._strings.next("idle" if self._taken else "first_byte")
        except (UpstreamDisconnected, UpstreamFailed) as error:
            raise StreamInterrupted(self._upstream, self._taken, str(error)) from error
        self._taken += 1
        return b"" if string is None else string.encode()


def _status(document: str) -> int:
    """Return the status that an error names, in the form of OpenAI or in the flat one of vLLM."""
    try:
        error = orjson.loads(document)
    except orjson.JSONDecodeError:
        return 500
    if isinstance(error, dict):
        error = error.get("error") or error
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500
