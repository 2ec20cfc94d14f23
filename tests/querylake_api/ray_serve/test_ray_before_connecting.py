"""What `deploy` does before it connects: compare versions, and show a cluster its token."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, ScriptedEngine
from querylake_api.doctor.ray_versions import own_ray, show_token
from querylake_api_testing.commands import Run


async def test_nothing_is_deployed_to_a_cluster_of_another_version(
    run: Run, config_file: Path, engine: ScriptedEngine
) -> None:
    async def dashboard(exchange: Exchange) -> None:
        await exchange.whole({"version": "4", "ray_version": "1.0.0", "session_name": "s"})

    engine.script = engine.probe_script = dashboard
    url = engine.url.removesuffix("/v1")
    options = ("--config", str(config_file), "--address", "127.0.0.1:1", "--dashboard", url)
    code, out, err = await asyncio.to_thread(run, "deploy", *options)
    assert (code, out) == (78, "")
    assert f"the cluster runs Ray 1.0.0 and this program has {own_ray()}" in err
    assert "nothing was deployed" in err


@pytest.mark.parametrize("named", [True, False])
def test_where_nothing_listens_is_told_at_once(
    run: Run, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        address = f"127.0.0.2:{listener.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.2:1" if named else address)
    code, out, err = run("undeploy", *(("--address", address) if named else ()))
    assert (code, out) == (69, "")
    assert f"no Ray cluster can be reached at '{address}': Connection refused" in err


def _hang_up(client: socket.socket) -> None:
    client.recv(1024)


def _speak_http(client: socket.socket) -> None:
    client.recv(1024)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def _say_nothing(client: socket.socket) -> None:
    while client.recv(1024):
        pass


@pytest.mark.parametrize("other", [_hang_up, _speak_http, _say_nothing])
def test_where_something_else_listens_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, other: Callable[[socket.socket], None]
) -> None:
    monkeypatch.setattr("querylake_api.ray_serve.reach.SECONDS", 1.0)
    with socket.create_server(("127.0.0.2", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                other(client)

        with ThreadPoolExecutor() as threads:
            served = threads.submit(serve)
            address = f"127.0.0.2:{listener.getsockname()[1]}"
            code, out, err = run("undeploy", "--address", address)
            served.result(10)
    assert (code, out) == (69, "")
    assert f"no Ray cluster can be reached at '{address}': what listens there is no Ray" in err


@pytest.mark.parametrize(
    ("token", "said", "mode"),
    [("secret", None, "token"), ("secret", "disabled", "disabled"), (" ", None, None)],
)
def test_a_token_is_shown_to_the_cluster_unless_the_operator_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str, said: str | None, mode: str | None
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("RAY_AUTH_MODE", said or "")
    if said is None:
        monkeypatch.delenv("RAY_AUTH_MODE")
    show_token()
    assert os.environ.get("RAY_AUTH_MODE") == mode
