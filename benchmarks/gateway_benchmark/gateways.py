"""How to start each gateway in front of one engine, with the settings its makers give for speed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx

from gateway_benchmark.mock_engine import MODEL
from gateway_benchmark.processes import family, start, stop, wait_for

START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers.

    Attributes:
        url: up to and including `/v1`.
        root: its first process; None where there is no gateway.
        others: roots of what it needs beside it, such as a database.
    """

    url: str
    key: str | None = None
    root: int | None = None
    others: tuple[int, ...] = ()

    def pids(self) -> list[int]:
        """Return every process of the gateway that lives now."""
        return [] if self.root is None else family(self.root)

    def other_pids(self) -> list[int]:
        """Return every process that it needs beside it."""
        return [pid for root in self.others for pid in family(root)]


class Gateway(Protocol):
    """Something that can stand in front of an engine."""

    @property
    def name(self) -> str:
        """What it is called in the table."""
        ...

    def missing(self) -> str | None:
        """Return why it cannot be measured here, or None."""
        ...

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Start it in front of an engine, give it, and stop it."""
        ...


@contextmanager
def running(gateway: Gateway, engine: str, folder: Path, core: int) -> Iterator[Running]:
    """Run a gateway for a while, in a folder of its own."""
    own = folder / gateway.name
    own.mkdir(parents=True, exist_ok=True)
    yield from gateway.run(engine, own, core)


@dataclass(frozen=True, slots=True)
class Direct:
    """No gateway: what everything else is compared with."""

    name: str = "direct"

    def missing(self) -> str | None:
        """Nothing is."""
        return None

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Give the engine itself."""
        yield Running(engine)


@dataclass(frozen=True, slots=True)
class QueryLake:
    """QueryLake as it ships, with keys, limits, usage records, metrics and access lines.

    Attributes:
        python: the interpreter that runs it; None for the one that it finds by itself.
    """

    pex: Path
    python: str | None = None
    name: str = "querylake"

    def missing(self) -> str | None:
        """Return what to build."""
        return None if self.pex.exists() else f"{self.pex} is not there; ./pants package-light"

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Start the API with an embedded PostgreSQL."""
        config = folder / "querylake.toml"
        config.write_text(
            f'[database]\nurl = "embedded:postgres"\n[upstreams.mock]\nbase_url = "{engine}"\n'
            f'[models.{MODEL}]\ncapabilities = ["chat"]\n'
            f'targets = [{{upstream = "mock", model = "{MODEL}"}}]\n'
        )
        created = subprocess.run(
            [
                *self._program(),
                *("keys", "create", "--config", str(config), "--name", "benchmark", "--json"),
                # Limits that are counted and never reached.
                *("--requests-per-minute", "100000000", "--tokens-per-minute", "1000000000"),
                *("--concurrency", "100000"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, **self._environment(folder)},
        )
        log = folder / "log"
        process = start(
            [*self._program(), "serve", "--config", str(config), "--port", "0"],
            core=core,
            log=log,
            env=self._environment(folder),
        )
        try:
            said = wait_for(log, "listening on ", process, seconds=START_SECONDS)
            postmaster = folder / "postgres" / "postmaster.pid"
            database = int(postmaster.read_text().split("\n", 1)[0])
            yield Running(
                f"{json.loads(said)['event'].partition('listening on ')[2]}/v1",
                json.loads(created.stdout)["key"],
                process.pid,
                (database,),
            )
        finally:
            stop(process)

    def _program(self) -> tuple[str, ...]:
        return (str(self.pex),) if self.python is None else (self.python, str(self.pex))

    def _environment(self, folder: Path) -> dict[str, str]:
        # Where a PEX was unpacked before, it stays with the interpreter that it had then.
        return {} if self.python is None else {"PEX_ROOT": str(folder / "pex")}


@dataclass(frozen=True, slots=True)
class Nginx:
    """nginx as a plain reverse proxy: the least that anything written in C adds."""

    name: str = "nginx"

    def missing(self) -> str | None:
        """Return what to install."""
        return None if _nginx() else "nginx is not installed; apt-get install nginx-light"

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Start one worker with persistent connections upstream and no buffering."""
        port = free_port()
        address = engine.removeprefix("http://").removesuffix("/v1")
        config = folder / "nginx.conf"
        config.write_text(
            f"""daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000; tcp_nodelay on;
  upstream engine {{ server {address}; keepalive 512; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
        )
        yield from served(
            [str(_nginx()), "-p", str(folder), "-c", str(config)],
            f"http://127.0.0.1:{port}",
            folder,
            core,
        )


@dataclass(frozen=True, slots=True)
class VllmRouter:
    """vllm-router, in Rust. It checks no keys and keeps no records."""

    program: Path
    name: str = "vllm-router"

    def missing(self) -> str | None:
        """Return what to install."""
        return _missing_program(self.program)

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Start it in front of one worker."""
        port = free_port()
        yield from served(
            [
                str(self.program),
                *("--worker-urls", engine.removesuffix("/v1")),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--policy", "round_robin", "--log-level", "error"),
                *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
                *("--max-concurrent-requests", "4096"),
            ],
            f"http://127.0.0.1:{port}",
            folder,
            core,
        )


@dataclass(frozen=True, slots=True)
class LiteLLM:
    """LiteLLM's proxy with a master key; without a database, so it keeps no records."""

    program: Path
    name: str = "litellm"

    def missing(self) -> str | None:
        """Return what to install."""
        return _missing_program(self.program)

    def run(self, engine: str, folder: Path, core: int) -> Iterator[Running]:
        """Start one worker with the settings of its documentation for production."""
        port = free_port()
        config = folder / "config.yaml"
        config.write_text(
            json.dumps(
                {
                    "model_list": [
                        {
                            "model_name": MODEL,
                            "litellm_params": {
                                "model": f"openai/{MODEL}",
                                "api_base": engine,
                                "api_key": "none",
                            },
                        }
                    ],
                    "litellm_settings": {
                        "set_verbose": False,
                        "request_timeout": 600,
                        "num_retries": 0,
                        "telemetry": False,
                    },
                    "general_settings": {"master_key": "sk-benchmark"},
                }
            )
        )
        yield from served(
            [
                str(self.program),
                *("--config", str(config), "--num_workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
            ],
            f"http://127.0.0.1:{port}",
            folder,
            core,
            key="sk-benchmark",
            env={
                "LITELLM_LOG": "ERROR",
                "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                # It ends streams that repeat themselves, as the mock engine's do.
                "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",
            },
        )


def served(
    command: Sequence[str],
    url: str,
    folder: Path,
    core: int,
    *,
    key: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Running]:
    """Run a program until its model list answers, give it, and stop it."""
    log = folder / "log"
    process = start(command, core=core, log=log, env=env)
    try:
        _wait_until_it_answers(f"{url}/v1/models", key, process, log)
        yield Running(f"{url}/v1", key, process.pid)
    finally:
        stop(process)


def _wait_until_it_answers(
    url: str, key: str | None, process: subprocess.Popen[bytes], log: Path
) -> None:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(trust_env=False, headers=headers, timeout=5) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if client.get(url).status_code == 200:
                    return
            time.sleep(0.1)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise RuntimeError(f"{process.args!r} does not answer:\n{tail}")


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _nginx() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


def _missing_program(program: Path) -> str | None:
    return None if os.access(program, os.X_OK) else f"{program} is not there; see --help"
