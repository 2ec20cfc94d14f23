"""The second port, while an engine runs."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

import pytest

from vllm_runtime.errors import PortUnavailable
from vllm_runtime.exit_reason import ExitReason
from vllm_runtime.restart_budget import RestartPolicy
from vllm_runtime.status_server import serve_status


async def get(port: int, path: str) -> str:
    def read() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            text: str = answer.read().decode()
        return text

    return await asyncio.to_thread(read)


async def test_the_status_of_an_engine_that_was_restarted(supervise: Any) -> None:
    restarts = RestartPolicy(max_restarts=1, backoff_seconds=0.01)
    async with supervise(limits={"restarts": restarts}, times=1, log=["bye"], exit=1) as running:
        await running.ready()
        await running.tell(running=2, waiting=1)
        await running.until(lambda status: status.requests_waiting == 1)
        with serve_status("127.0.0.1", 0, running.supervisor.status) as port:
            status = json.loads(await get(port, "/runtime/status"))
            metrics = (await get(port, "/metrics")).splitlines()
    assert (status["state"], status["ready"]) == ("ready", True)
    assert datetime.fromisoformat(status["since"]).tzinfo is not None
    assert status["restarts"] == 1
    assert status["last_exit"]["reason"] == ExitReason.UNKNOWN
    assert status["last_exit"]["exit_code"] == 1
    assert status["last_exit"]["log_tail"] == ["bye"]
    assert (status["requests_running"], status["requests_waiting"]) == (2, 1)
    assert status["tokens_total"] == 140
    assert status["engine_pid"] > 1
    assert status["engine_rss_bytes"] > 1_000_000
    assert len(status["config_sha256"]) == 64
    assert "vllm_runtime_up 1" in metrics
    assert 'vllm_runtime_state{state="ready"} 1' in metrics
    assert 'vllm_runtime_state{state="stalled"} 0' in metrics
    assert 'vllm_runtime_restarts_total{reason="unknown"} 1' in metrics
    assert 'vllm_runtime_restarts_total{reason="cuda_out_of_memory"} 0' in metrics
    assert f"vllm_runtime_engine_resident_memory_bytes {status['engine_rss_bytes']}" in metrics
    (progress,) = (each for each in metrics if each.startswith("vllm_runtime_last_progress"))
    last = datetime.fromisoformat(status["last_progress"]).timestamp()
    assert float(progress.split()[1]) == pytest.approx(last, abs=5)


async def test_an_engine_that_starts_is_not_up(supervise: Any) -> None:
    async with supervise(listen=False) as running:
        with serve_status("127.0.0.1", 0, running.supervisor.status) as port:
            status = json.loads(await get(port, "/runtime/status"))
            metrics = await get(port, "/metrics")
            with pytest.raises(urllib.error.HTTPError) as not_ready:
                await get(port, "/runtime/ready")
    assert (status["state"], status["ready"]) == ("starting", False)
    assert status["requests_running"] is None
    assert not_ready.value.code == 503
    assert json.loads(not_ready.value.read()) == {"ready": False, "state": "starting"}
    assert "vllm_runtime_up 0\n" in metrics
    assert "requests_running" not in metrics


async def test_anything_else_is_not_found(supervise: Any) -> None:
    async with supervise(listen=False) as running:
        with serve_status("127.0.0.1", 0, running.supervisor.status) as port:
            with pytest.raises(urllib.error.HTTPError) as refused:
                await get(port, "/v1/models")
            answer = json.loads(refused.value.read())
    assert refused.value.code == 404
    assert "/runtime/status" in answer["detail"]


async def test_a_taken_status_port_is_one_sentence(supervise: Any, free_port: int) -> None:
    async with supervise(listen=False) as running:
        with (
            socket.create_server(("127.0.0.1", free_port)),
            pytest.raises(PortUnavailable, match=f"port {free_port} .* in use .*--runtime-port"),
            serve_status("127.0.0.1", free_port, running.supervisor.status),
        ):
            pass
