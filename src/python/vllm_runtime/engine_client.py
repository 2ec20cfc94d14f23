"""What the engine says of itself over HTTP. Blocking; called from a thread."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass

_SECONDS = 2.0

_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_TOKENS = ("vllm:generation_tokens_total", "vllm:prompt_tokens_total")
_CACHE = "vllm:kv_cache_usage_perc"


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """Sums over all engine cores.

    Attributes:
        tokens: prompt and generated tokens since the engine started.
        cache_usage: moves during the prefill of a long prompt, which is counted only at its end.
    """

    running: int
    waiting: int
    tokens: int
    cache_usage: float

    @property
    def idle(self) -> bool:
        """No request is running or waiting."""
        return self.running == 0 and self.waiting == 0


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the engine.

    Attributes:
        health: status of /health; None without an answer.
        refused: nobody listens on its port.
        metrics: None if they could not be read.
        load: requests that the API server has taken and not yet answered; None if it does not say.
            Sees what the metrics do not: a request in the first step of an engine that was idle.
            It may drift, as vLLM does not always count a broken-off request correctly.
    """

    health: int | None
    refused: bool
    metrics: EngineMetrics | None
    load: int | None = None


def observe(host: str, port: int) -> Observation:
    """Ask for /health, /metrics and /load. None of them needs the engine's key."""
    try:
        health, _ = _get(host, port, "/health")
    except ConnectionRefusedError:
        return Observation(None, True, None)
    except (OSError, http.client.HTTPException):
        return Observation(None, False, None)
    try:
        status, body = _get(host, port, "/metrics")
    except (OSError, http.client.HTTPException):
        return Observation(health, False, None)
    metrics = parse_metrics(body) if status == 200 else None
    load = _answered(host, port, "/load", "server_load")
    return Observation(health, False, metrics, load if isinstance(load, int) else None)


def engine_version(host: str, port: int) -> str | None:
    """Return the version that the running server reports; None if it does not."""
    version = _answered(host, port, "/version", "version")
    return version if isinstance(version, str) else None


def parse_metrics(text: str) -> EngineMetrics | None:
    """Read what is needed from the Prometheus text format; None if a gauge is missing."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("vllm:"):
            continue
        name = line.partition("{")[0].partition(" ")[0]
        try:
            sums[name] = sums.get(name, 0.0) + float(line.rpartition(" ")[2])
        except ValueError:
            continue
    if _RUNNING not in sums or _WAITING not in sums:
        return None
    return EngineMetrics(
        running=int(sums[_RUNNING]),
        waiting=int(sums[_WAITING]),
        tokens=int(sum(sums.get(name, 0.0) for name in _TOKENS)),
        cache_usage=sums.get(_CACHE, 0.0),
    )


def _answered(host: str, port: int, path: str, key: str) -> object:
    """Return a value of a JSON answer; None without one."""
    try:
        _, body = _get(host, port, path)
        answer = json.loads(body)
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return answer.get(key) if isinstance(answer, dict) else None


def _get(host: str, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()
