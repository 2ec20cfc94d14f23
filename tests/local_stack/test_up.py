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
from local_stack_testing.models import gguf_bytes, gguf_file
from local_stack_testing.running import SECONDS, StartUp, is_alive, wait_gone


def engine_arguments(checkout: Checkout) -> str:
    """Return what the engine that was started last was given."""
    events = [event for event in checkout.events() if event.startswith("runtime arguments=")]
    return events[-1].removeprefix("runtime arguments=")


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
    up = start_up()
    up.ready()
    key = (checkout.data / "cpu_runtime.key").read_text().strip()
    config = tomllib.loads((checkout.data / "querylake.toml").read_text())
    port = (
        config["upstreams"]["cpu"]["base_url"].removeprefix("http://127.0.0.1:").removesuffix("/v1")
    )
    assert f"runtime key={key}" in checkout.events()
    assert f"runtime arguments=serve,--host,127.0.0.1,--port,{port}" in checkout.events()
    # So that every command of the API works without a variable.
    assert config["upstreams"]["cpu"]["api_key_file"] == str(checkout.data / "cpu_runtime.key")


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
    assert "the CPU engine ended with exit code 3" in up.output
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
    assert up.output.startswith("error: dist/cpu_runtime.pex does not exist; leave out --packaged")


def test_installs_once_and_again_when_a_lock_changes(bare: Checkout, start_up: StartUp) -> None:
    runs = bare.root / "uv-runs"

    def run() -> str:
        up = start_up(packaged=False)
        up.ready()
        up.stop()
        return up.output

    output = run()
    assert "  the API's packages, 1 of 2: Installed 1 package in 7ms\n" in output
    assert "something-of-a-lock" not in output
    commands = runs.read_text().splitlines()
    assert len(commands) == 4
    assert "--no-deps --require-hashes" in commands[1]
    assert "Installing" not in run()
    (bare.root / "3rdparty" / "python" / "cpu.lock").write_text("another==2\n")
    assert "the CPU engine and its models, 1 of 1" in run()
    assert len(runs.read_text().splitlines()) == 6


def test_what_was_compiled_is_kept_for_the_next_start(bare: Checkout, start_up: StartUp) -> None:
    # As many container images and development machines have it.
    start_up(packaged=False, PYTHONDONTWRITEBYTECODE="1").ready()
    assert list((bare.root / "src" / "python").rglob("*.pyc"))


def test_a_failed_installation_shows_its_end_and_is_made_again(
    bare: Checkout, start_up: StartUp
) -> None:
    broken = bare.root / "broken"
    broken.touch()
    up = start_up(packaged=False)
    assert up.end() == 1
    shown = up.output.partition("Its last words:\n")[2].splitlines()
    assert shown[0] == "  22"
    assert shown[-2] == "  the last line"
    log = ".querylake/logs/install.log"
    assert shown[-1] == f"error: the installation ended with exit code 1; its log is {log}"
    assert len((bare.root / log).read_text().splitlines()) == 51
    assert bare.events() == []
    broken.unlink()
    start_up(packaged=False).ready()


def test_a_model_of_ones_own_answers_under_its_name(checkout: Checkout, start_up: StartUp) -> None:
    file = gguf_file(checkout.root / "gemma 3 (270m).gguf", template=True)
    up = start_up("--chat-model", file.name)
    up.ready()
    assert "has no chat template" not in up.output
    config = tomllib.loads((checkout.data / "querylake.toml").read_text())
    model = config["models"]["gemma-3-270m"]
    assert (model["aliases"], model["targets"][0]["model"]) == (["default"], "gemma-3-270m")
    assert engine_arguments(checkout).endswith(f"{file},--chat-model-name,gemma-3-270m")
    up.stop()
    # Without the file, the packaged model is back.
    start_up().ready()
    config = tomllib.loads((checkout.data / "querylake.toml").read_text())
    assert "smollm2-135m-instruct" in config["models"]


def test_the_length_of_a_chat_goes_to_the_engine(checkout: Checkout, start_up: StartUp) -> None:
    start_up("--context", "16384").ready()
    assert engine_arguments(checkout).endswith(",--context,16384")


def test_an_edited_configuration_names_the_model_of_ones_own(
    checkout: Checkout, start_up: StartUp
) -> None:
    file = gguf_file(checkout.root / "mine.gguf")
    first = start_up("--chat-model", "mine.gguf")
    first.ready()
    assert "mine.gguf has no chat template" in first.output
    first.stop()
    config = checkout.data / "querylake.toml"
    config.write_text(config.read_text().replace('"mine"', '"our-model"'))
    second = start_up("--chat-model", "mine.gguf")
    second.ready()
    assert engine_arguments(checkout).endswith(f"{file},--chat-model-name,our-model")
    second.stop()
    third = start_up()
    assert third.end() == 1
    assert "sends chats to 'our-model' on the CPU engine; name its file with --chat-model" in (
        third.output
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"root:x:0:0", "does not begin with the letters GGUF"),
        (gguf_bytes()[:-3], "and its tensors need"),
        (gguf_bytes(causal=False), "is an embedding model (llama) and cannot chat"),
    ],
)
def test_a_wrong_model_is_reported_before_anything_is_installed(
    bare: Checkout, start_up: StartUp, content: bytes, reason: str
) -> None:
    (bare.root / "model.gguf").write_bytes(content)
    up = start_up("--chat-model", "model.gguf", packaged=False)
    assert up.end() == 1
    assert up.output.startswith("error: --chat-model: ")
    assert reason in up.output
    assert not (bare.root / "uv-runs").exists()


def test_the_console_is_named_where_there_is_no_desktop(
    checkout: Checkout, start_up: StartUp
) -> None:
    up = start_up("--open", DISPLAY="", WAYLAND_DISPLAY="")
    url = up.ready()
    up.until(f"Open the console in a browser: {url}/ui\n")


def test_printed_curl_line_is_valid_shell(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    url = up.ready()
    pasted = up.output.partition("Ask it something:\n")[2].partition("\n\n")[0]
    words = [word for word in shlex.split(pasted) if word != "\n"]
    assert words[:3] == ["curl", "-N", f"{url}/v1/chat/completions"]
