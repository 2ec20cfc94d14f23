"""The routers that are compared, each in front of the same replicas."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gateway_benchmark.gateways import Running, free_port, served
from gateway_benchmark.mock_engine import MODEL
from gateway_benchmark.processes import start, stop, wait_for


@contextmanager
def querylake(
    program: Sequence[str], engines: Sequence[str], folder: Path, balancing: str, keys: int
) -> Iterator[tuple[Running, list[str]]]:
    """Run QueryLake, and give its address and some keys."""
    config = folder / "querylake.toml"
    upstreams = "".join(
        f'[upstreams.replica{number}]\nbase_url = "{url}"\n' for number, url in enumerate(engines)
    )
    targets = ", ".join(
        f'{{upstream = "replica{number}", model = "{MODEL}"}}' for number in range(len(engines))
    )
    config.write_text(
        f'[database]\nurl = "embedded:postgres"\n{upstreams}[models.{MODEL}]\n'
        f'capabilities = ["chat"]\nbalancing = "{balancing}"\ntargets = [{targets}]\n'
    )
    made = [_key(program, config, number) for number in range(keys)]
    log = folder / "log"
    process = start([*program, "serve", "--config", str(config), "--port", "0"], core=0, log=log)
    try:
        said = wait_for(log, "listening on ", process, seconds=120)
        url = json.loads(said)["event"].partition("listening on ")[2]
        yield Running(f"{url}/v1", made[0], process.pid), made
    finally:
        stop(process)


def _key(program: Sequence[str], config: Path, number: int) -> str:
    created = subprocess.run(
        [
            *program,
            *("keys", "create", "--config", str(config), "--name", f"user{number}", "--json"),
        ],
        check=True,
        capture_output=True,
        env=dict(os.environ),
    )
    key: str = json.loads(created.stdout)["key"]
    return key


@contextmanager
def vllm_router(program: Path, engines: Sequence[str], folder: Path) -> Iterator[Running]:
    """Run vllm-router with the policy that it has for prefix caches, and its own thresholds."""
    port = free_port()
    roots = [engine.removesuffix("/v1") for engine in engines]
    yield from served(
        [
            str(program),
            *("--worker-urls", *roots, "--host", "127.0.0.1", "--port", str(port)),
            *("--policy", "cache_aware", "--log-level", "error"),
            *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(free_port())),
        ],
        f"http://127.0.0.1:{port}",
        folder,
        0,
    )
