"""The commands beside `up`: they find the running stack, and hand over to the API's program."""

from __future__ import annotations

import signal

import pytest

from local_stack_testing.checkout import Checkout
from local_stack_testing.running import StartUp, Up, wait_gone

FAKE_API = """
import os, sys
print("arguments:", *sys.argv[1:])
print("modules of ours:", os.environ.get("PYTHONPATH"))
sys.exit(7)
"""


def run(checkout: Checkout, command: str, *arguments: str) -> tuple[int, str]:
    """Run a command to its end, and return its exit code and output."""
    started = Up(checkout, arguments, {}, command)
    return started.end(), started.output


def test_status_prints_the_greeting_again(checkout: Checkout, start_up: StartUp) -> None:
    assert run(checkout, "status") == (
        3,
        "Nothing runs on .querylake. Start it: ./querylake up\n",
    )
    up = start_up()
    url = up.ready()
    code, output = run(checkout, "status")
    assert code == 0
    assert output.startswith(f"QueryLake runs as process {up.process.pid}: ready.\n")
    greeting = up.output.partition("Ask it something:")[2].partition("Logs")[0]
    assert greeting in output
    assert f"QueryLake answers on {url} " in output
    assert "./querylake stop stops everything." in output


def test_stop_stops_what_runs_and_waits_for_its_end(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    assert run(checkout, "stop") == (0, "Stopped.\n")
    assert up.process.wait(1) == 0
    wait_gone(checkout.pids())
    assert run(checkout, "stop") == (0, "Nothing runs on .querylake.\n")


def test_a_stack_that_was_killed_does_not_run(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up()
    up.ready()
    up.stop(signal.SIGKILL)
    assert (checkout.data / "up.lock").read_text()
    assert run(checkout, "status")[0] == 3


@pytest.mark.parametrize(
    ("command", "given", "wanted"),
    [
        ("keys", ("create", "--name", "app"), "keys create --name app --config {config}"),
        ("keys", ("create", "--help"), "keys create --help"),
        ("keys", (), "keys"),
        ("keys", ("list", "-c", "other.toml"), "keys list -c other.toml"),
        ("usage", ("totals",), "usage totals --config {config}"),
        ("doctor", (), "doctor --config {config}"),
        ("doctor", ("--json",), "doctor --json --config {config}"),
    ],
)
def test_a_command_of_the_api_gets_the_configuration_of_the_stack(
    checkout: Checkout, start_up: StartUp, command: str, given: tuple[str, ...], wanted: str
) -> None:
    up = start_up()
    up.ready()
    up.stop()
    (checkout.root / "dist" / "querylake_api.pex").write_text(FAKE_API)
    code, output = run(checkout, command, *given)
    assert code == 7
    config = checkout.data / "querylake.toml"
    assert output == f"arguments: {wanted.format(config=config)}\nmodules of ours: None\n"


def test_before_anything_was_started_it_says_how_to(checkout: Checkout) -> None:
    assert run(checkout, "keys", "list") == (
        1,
        "error: .querylake/querylake.toml does not exist; start a stack with ./querylake up\n",
    )
    (checkout.root / "dist" / "querylake_api.pex").unlink()
    assert run(checkout, "doctor") == (
        1,
        "error: nothing was started here yet; start a stack with ./querylake up\n",
    )


def test_another_data_folder_comes_first(checkout: Checkout, start_up: StartUp) -> None:
    up = start_up("--data-dir", "elsewhere")
    up.ready()
    assert "./querylake keys --data-dir elsewhere create --name app" in up.output
    up.stop()
    (checkout.root / "dist" / "querylake_api.pex").write_text(FAKE_API)
    _, output = run(checkout, "keys", "--data-dir", "elsewhere", "list")
    config = checkout.root / "elsewhere" / "querylake.toml"
    assert output.startswith(f"arguments: keys list --config {config}\n")
