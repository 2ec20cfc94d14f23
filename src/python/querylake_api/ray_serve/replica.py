"""One copy of the application inside a Ray worker."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

from ray.serve._private.constants import RAY_SERVE_ENABLE_HA_PROXY

from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.logs import configure_logging
from querylake_api.process.application import Application
from querylake_api.process.startup import running_application
from querylake_api.ray_serve.errors import ConfigurationDiffers
from request_replay.agreement import CALLBACK, REPLAYING


class Replica:
    """What Serve starts, asks and stops. Its answers are the application's.

    The configuration is read from the node's own disk: it names files with keys, and what travels
    through Ray can be seen in its dashboard.

    Args:
        path: the configuration file, under the same name on every node.
        digest: of the configuration that was deployed.
    """

    # Serve awaits it, which no type checker knows of.
    async def __init__(self, path: str, digest: str) -> None:  # type: ignore[misc]
        self._stack = AsyncExitStack()
        configuration = await asyncio.to_thread(_load, Path(path), digest)
        writer = LogWriter()
        self._stack.callback(writer.close)
        configure_logging(writer)
        self._application = await self._stack.enter_async_context(
            running_application(configuration, writer)
        )

    def __serve_build_asgi_app__(self) -> Application:
        """Give Serve the application."""
        return self._application

    def replaying(self) -> bool:
        """Return whether proxies give a request to another replica if this one dies.

        Serve's controller starts both, and gives both its environment. HAProxy, where Serve has it
        in front instead of its own proxies, has rules of its own.
        """
        return os.environ.get(CALLBACK) == REPLAYING and not RAY_SERVE_ENABLE_HA_PROXY

    async def __del__(self) -> None:
        """Close what was opened. Serve waits for this, after requests have ended."""
        await self._stack.aclose()


def _load(path: Path, digest: str) -> Configuration:
    configuration = load_configuration(path)
    if configuration.digest != digest:
        raise ConfigurationDiffers(str(path), configuration.digest, digest)
    return configuration
