"""The API of a trial, asked as an operator asks it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from rollout_trials.errors import ApiRefused, ProgramFailed
from rollout_trials.programs import Program, pex, plain_environment
from rollout_trials.waiting import until

MODEL = "assistant"
"""What users call the model."""

TIMEOUT_SECONDS = 60.0

_CONFIG = """\
[server]
port = {port}
workers = {workers}
drain_seconds = 5
state_dir = "state"

[database]
url = "embedded:postgres"

[upstreams.old]
base_url = "{old}/v1"
{old_runtime}
[upstreams.new]
base_url = "{new}/v1"
{new_runtime}
[models."{model}"]
capabilities = ["chat"]
max_concurrency = {concurrency}
[[models."{model}".targets]]
upstream = "old"
model = "{old_model}"
[[models."{model}".targets]]
upstream = "new"
model = "{new_model}"
role = "candidate"
"""


class Place:
    """Where an engine is, for the configuration: its URL without `/v1`, and its supervisor's."""

    def __init__(self, url: str, model: str, runtime_url: str | None = None) -> None:
        self.url = url
        self.model = model
        self.runtime = "" if runtime_url is None else f'runtime_url = "{runtime_url}"\n'


class Api:
    """`querylake_api serve`, running.

    Attributes:
        url: where it answers, once it does.
        admin_key: opens administration.
    """

    def __init__(self, file: Path, folder: Path, *, port: int = 0, workers: int = 2) -> None:
        self._file = file
        self._folder = folder
        self._workers = workers
        self._port = port
        self._log = folder / "api.log"
        self._program = Program(
            "the API",
            pex(file, "serve", "--config", "querylake.toml"),
            self._log,
            plain_environment(),
        )
        self._session: aiohttp.ClientSession | None = None
        self.url = ""
        self.admin_key = ""

    async def start(self, old: Place, new: Place, concurrency: int) -> None:
        """Start it in front of two engines, and wait until it is ready.

        Args:
            concurrency: how many requests an engine takes at once; others wait in the API.

        Raises:
            TrialError: it does not start.
        """
        (self._folder / "querylake.toml").write_text(
            _CONFIG.format(
                port=self._port,
                workers=self._workers,
                concurrency=-(-concurrency // self._workers),
                model=MODEL,
                old=old.url,
                old_model=old.model,
                old_runtime=old.runtime,
                new=new.url,
                new_model=new.model,
                new_runtime=new.runtime,
            )
        )
        await self._program.start()
        # A port that was free when the engines began to start may be one of theirs by now.
        announced = await self._program.said("listening on ")
        self.url = announced.partition("listening on ")[2].partition('"')[0].strip()
        self.admin_key = await self._first_key()
        self._session = aiohttp.ClientSession(
            headers={"authorization": f"Bearer {self.admin_key}"},
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
        )

        async def known() -> bool:
            async with self._open.get(f"{self.url}/admin/keys") as answer:
                return answer.status == 200

        await until(known, TIMEOUT_SECONDS, "the API does not know its first key")

    async def stop(self) -> None:
        """End it."""
        if self._session is not None:
            await self._session.close()
        await self._program.stop()

    async def get(self, path: str) -> Any:
        """Ask for something below `/admin`."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, document: object) -> Any:
        """Have something done below `/admin`."""
        return await self._ask("POST", path, document)

    async def make_keys(self, count: int) -> list[str]:
        """Make keys for users."""
        made = []
        for number in range(count):
            document = {"name": f"user {number + 1}", "scopes": ["inference"]}
            made.append(str((await self.post("/keys", document))["key"]))
        return made

    def access_lines(self) -> list[dict[str, Any]]:
        """Return the API's log of finished requests."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if "stack" in record and record.get("model") == MODEL:
                found.append(record)
        return found

    async def engine_is_up(self, name: str) -> bool:
        """Whether the API sends requests to an engine."""
        for each in (await self.get("/upstreams"))["data"]:
            if each["name"] == name:
                return bool(each["in_rotation"]) and each["breaker"] != "open"
        return False

    @property
    def _open(self) -> aiohttp.ClientSession:
        assert self._session is not None, "it was started"
        return self._session

    async def _ask(self, method: str, path: str, document: object) -> Any:
        try:
            async with self._open.request(
                method, f"{self.url}/admin{path}", json=document
            ) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ApiRefused(f"the API does not answer {path}: {error!r}") from None
        if answer.status >= 400:
            raise ApiRefused(f"the API answered {answer.status} to {path}: {text[:500]}")
        return json.loads(text)

    async def _first_key(self) -> str:
        process = await asyncio.create_subprocess_exec(
            *pex(self._file, "keys", "create", "--name", "operator", "--json"),
            *("--scope", "admin", "--config", "querylake.toml"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=plain_environment(),
            cwd=self._folder,
        )
        out, errors = await process.communicate()
        if process.returncode != 0:
            raise ProgramFailed(f"no key could be made: {errors.decode(errors='replace')[-500:]}")
        return str(json.loads(out)["key"])
