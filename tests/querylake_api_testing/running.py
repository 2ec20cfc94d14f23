"""The API as its clients meet it: on a socket, with keys, in front of engines."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.keys.models import Scope
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.schemas import KeyRequest
from querylake_api.keys.service import KeyService, NewKey
from querylake_api.observability.log_writer import LogWriter
from querylake_api.observability.logs import JsonHandler
from querylake_api.persistence.database import open_database
from querylake_api.process.serve import listen
from querylake_api.process.server_process import server_for
from querylake_api.process.startup import running_application

LOG_SECONDS = 60.0
"""How long a line may take to be logged and written on a busy machine."""


@dataclass(frozen=True)
class RunningApi:
    """An API that listens.

    Attributes:
        key: opens inference.
        admin_key: opens administration.
        log: what was written of what it logged; `log_lines` waits for the rest.
    """

    url: str
    key: str
    admin_key: str
    client: httpx.AsyncClient
    log: BytesIO
    writer: LogWriter

    def headers(self, key: str | None = None) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return {"authorization": f"Bearer {key or self.key}"}

    async def post(self, path: str, document: object, *, key: str | None = None) -> httpx.Response:
        """Send JSON."""
        return await self.client.post(path, json=document, headers=self.headers(key))

    async def get(self, path: str, *, key: str | None = None) -> httpx.Response:
        """Ask for something."""
        return await self.client.get(path, headers=self.headers(key))

    def log_lines(self) -> list[dict[str, Any]]:
        """Return the log so far, once all of it was written."""
        mark = json.dumps({"event": "looked at", "mark": secrets.token_hex(8)}).encode()
        self.writer.write(mark)
        deadline = time.monotonic() + LOG_SECONDS
        while mark not in (written := self.log.getvalue()):
            assert time.monotonic() < deadline, "the log's writer has ended, or is stuck"
            time.sleep(0.001)
        lines = [json.loads(line) for line in written.splitlines()]
        return [line for line in lines if line["event"] != "looked at"]

    async def requests_logged(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the access lines so far, once there are enough of them."""
        async with asyncio.timeout(LOG_SECONDS):
            while True:
                lines = [line for line in self.log_lines() if line["event"] == "request"]
                if len(lines) >= count:
                    return lines
                await asyncio.sleep(0.01)


async def create_key(
    configuration: Configuration, *, scopes: tuple[Scope, ...], models: list[str] | None = None
) -> NewKey:
    """Make a key as the command line would, from outside the running API."""
    async with open_database(configuration) as database:
        service = KeyService(KeyRepository(database), configuration.settings.models)
        return await service.create(KeyRequest(name="test", scopes=list(scopes), models=models))


@asynccontextmanager
async def running_api(config_file: Path) -> AsyncIterator[RunningApi]:
    """Serve a configuration on a free port of loopback, in this event loop."""
    configuration = load_configuration(config_file)
    log = BytesIO()
    writer = LogWriter(log)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    handler = JsonHandler(writer)
    logging.getLogger("querylake_api").addHandler(handler)
    async with running_application(configuration, writer) as application:
        inference = await create_key(configuration, scopes=(Scope.INFERENCE,))
        admin = await create_key(configuration, scopes=(Scope.ADMIN,))
        server = server_for(configuration, application)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        # Nothing here speaks TLS, and to load the system's certificates takes a fifth of a start.
        async with httpx.AsyncClient(
            base_url=url, timeout=90, trust_env=False, verify=False
        ) as client:
            try:
                yield RunningApi(url, inference.secret, admin.secret, client, log, writer)
            finally:
                server.should_exit = True
                await serving
                logging.getLogger("querylake_api").removeHandler(handler)
                writer.close()


def write_config(
    folder: Path,
    *,
    database: str,
    upstreams: Mapping[str, Mapping[str, object]] | None = None,
    models: Mapping[str, Mapping[str, object]] | None = None,
    **sections: Mapping[str, object],
) -> Path:
    """Write a configuration file and return its path."""
    lines = ["[database]", f"url = {json.dumps(database)}"]
    # An engine in this event loop may take long to answer a look, on a busy machine.
    for section, values in {"health": {"timeout_seconds": 60.0}, **sections}.items():
        lines += [f"[{section}]", *_pairs(values)]
    for name, upstream in (upstreams or {}).items():
        lines += [f"[upstreams.{json.dumps(name)}]", *_pairs(upstream)]
    for name, model in (models or {}).items():
        lines += [f"[models.{json.dumps(name)}]", *_pairs(model)]
    path = folder / "querylake.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_config_of_one_model(
    folder: Path, *, database: str, engine: str, **sections: Mapping[str, object]
) -> Path:
    """Write a configuration file with one engine and one model for chat, `m` for everybody.

    Args:
        engine: its base URL.
    """
    target = {"upstream": "engine", "model": "m"}
    return write_config(
        folder,
        database=database,
        upstreams={"engine": {"base_url": engine}},
        models={"m": {"capabilities": ["chat"], "targets": [target]}},
        **sections,
    )


def _pairs(section: Mapping[str, object]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in section.items()]


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value)
