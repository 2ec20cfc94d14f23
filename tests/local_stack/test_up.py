"""`up` as its user sees it, with real processes, sockets and signals."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import stat
import sys
import tomllib
from pathlib import Path

import pytest

from local_stack_testing.checkout import Checkout
from local_stack_testing.running import SECONDS, StartUp, is_alive, wait_gone


def test_starts_both_greets_and_stops_everything(checkout: Checkout, start_up: StartUp) -> None:
    # This engine is ready only after the API has started: they must not wait for each other.
    up = start_up(FAKE_RUNTIME="waits-for-api")
    url = up.ready()

    key = (checkout.data / "admin.key").read_text().strip()
    assert checkout.keys() == [key]
    assert key in up.output
    assert f"{url}/v1/chat/completions" in up.output
    assert "keys    | a line for the log" in up.output
    for secret in ("admin.key", "cpu_runtime.key"):
        assert stat.S_IMODE((checkout.data / secret).stat().st_mode) == 0o600
    assert not any(key in log.read_text() for log in (checkout.data / "logs").iterdir())

    assert up.stop(signal.SIGINT) == 0
    assert up.output.endswith("Stopped.\n")
    wait_gone(checkout.pids())
    stopped = [event for event in checkout.events() if "stopped" in event]
    assert stopped == ["api stopped", "runtime stopped"], "streams must be able to finish"


def test_engine_gets_its_key_and_port_from_the_generated_files(
    checkout: Checkout, start_up: StartUp
) -> None:
    model = checkout.root / "other.gguf"
    model.touch()
    up = start_up("--chat-model", "other.gguf")
    up.ready()
    key = (checkout.data / "cpu_runtime.key").read_text().strip()
    config = tomllib.loads((checkout.data / "querylake.toml").read_text())
    port = (
        config["upstreams"]["cpu"]["base_url"].removeprefix("http://127.0.0.1:").removesuffix("/v1")
    )
    assert f"runtime key={key}" in checkout.events()
    assert (
        f"runtime arguments=serve,--host,127.0.0.1,--port,{port},--chat-model,{model}"
        in checkout.events()
    )


def test_second_up_on_the_same_data_is_refused(checkout: Checkout, start_up: StartUp) -> None:
    first = start_up()
    url = first.ready()
    second = start_up()
    assert second.end() == 1
    sentence = f"`./querylake up` already runs on .querylake (process {first.process.pid}, {url})"
    assert sentence in second.output
    assert is_alive(checkout.pid("api started"))


def test_key_is_created_once_and_again_only_if_refused(
    checkout: Checkout, start_up: StartUp
) -> None:
    def run() -> None:
        up = start_up()
        up.ready()
        assert up.stop() == 0

    run()
    run()
    assert checkout.events().count("api keys-create") == 1
    (checkout.root / "keys").unlink()
    run()
    assert checkout.events().count("api keys-create") == 2
    assert checkout.keys() == [(checkout.data / "admin.key").read_text().strip()]


def test_engine_that_dies_at_start_ends_everything(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up(FAKE_RUNTIME="dies")
    assert up.end() == 1
    assert "the CPU engine ended with exit code 3 although nobody asked it to" in up.output
    assert "  because of reasons\n" in up.output
    log = Path(".querylake/logs/runtime.log")
    assert f"its log is {log}" in up.output
    assert "because of reasons" in (checkout.root / log).read_text()
    wait_gone(checkout.pids())


def test_api_that_is_killed_later_ends_everything(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    os.kill(checkout.pid("api started"), signal.SIGKILL)
    assert up.end() == 1
    assert "the API was ended by signal 9 (Killed), as the kernel does" in up.output
    assert "Traceback" not in up.output
    wait_gone(checkout.pids())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a parent's death")
def test_children_stop_when_up_itself_is_killed(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    up.process.kill()
    wait_gone({checkout.pid("api started"), checkout.pid("runtime started")})
    os.kill(checkout.pid("inner started"), signal.SIGKILL)


def test_second_signal_does_not_wait(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up(FAKE_API="deaf", FAKE_RUNTIME="deaf")
    up.ready()
    up.process.send_signal(signal.SIGTERM)
    up.until("Stopping")
    # Both are deaf, and politely they would be given 15 and then 10 s.
    assert up.stop(seconds=25) == 0
    wait_gone(checkout.pids())


def test_reader_that_leaves_ends_everything(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    # `./querylake up | head`: the next line finds nobody.
    up.stop_reading()
    os.kill(checkout.pid("api started"), signal.SIGTERM)
    assert up.process.wait(SECONDS) == 1
    wait_gone(checkout.pids())


def test_port_in_use_is_one_sentence(checkout: Checkout, start_up: StartUp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        up = start_up("--port", str(port))
        assert up.end() == 1
    assert up.output == (
        f"error: port {port} on 127.0.0.1 is in use by another program; "
        "stop it, or choose another port with --port\n"
    )
    assert checkout.events() == []


def test_edited_configuration_is_used_as_it_is(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    up.stop()
    config = checkout.data / "querylake.toml"
    edited = config.read_text().replace("drain_seconds = 2", "drain_seconds = 7")
    config.write_text(edited)
    again = start_up()
    again.ready()
    assert "yours, used as it is" in again.output
    assert config.read_text() == edited


def test_missing_program_is_one_sentence(checkout: Checkout, start_up: StartUp) -> None:
    (checkout.root / "dist" / "cpu_runtime.pex").unlink()
    up = start_up()
    assert up.end() == 1
    assert up.output.startswith("error: dist/cpu_runtime.pex does not exist; leave out --no-build")


def test_builds_once_and_again_when_a_source_changes(unbuilt: Checkout, start_up: StartUp) -> None:
    runs = unbuilt.root / "pants-runs"

    def run() -> str:
        up = start_up(build=True)
        up.ready()
        up.stop()
        return up.output

    output = run()
    assert "  10:00:01.00 [INFO] Wrote dist/querylake_api.pex\n" in output
    assert "package src/python/querylake_api:pex src/python/cpu_runtime:pex" in runs.read_text()
    assert "Building" not in run()
    (unbuilt.root / "src/python/querylake_api/process/startup.py").write_text("answer = 43\n")
    run()
    assert len(runs.read_text().splitlines()) == 2


def test_failed_build_shows_its_end(unbuilt: Checkout, start_up: StartUp) -> None:
    (unbuilt.root / "broken").touch()
    up = start_up(build=True)
    assert up.end() == 1
    shown = up.output.partition("Its last words:\n")[2].splitlines()
    assert shown[0] == "  22"
    assert shown[-2] == "  the last line"
    log = ".querylake/logs/build.log"
    assert shown[-1] == f"error: the build ended with exit code 1; its log is {log}"
    assert len((unbuilt.root / log).read_text().splitlines()) == 53
    assert unbuilt.events() == []


def test_printed_curl_line_is_valid_shell(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    url = up.ready()
    pasted = up.output.partition("Ask it something:\n")[2].partition("\n\n")[0]
    words = [word for word in shlex.split(pasted) if word != "\n"]
    assert words[:3] == ["curl", "-N", f"{url}/v1/chat/completions"]
