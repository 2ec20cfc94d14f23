"""`serve`: the engine under supervision, and its status on a second port."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from querylake_version import VERSION
from vllm_runtime.engine_command import Engine, engine_for
from vllm_runtime.errors import ArgumentRefused, ConfigurationError, PortUnavailable
from vllm_runtime.exit_reason import PERMANENT
from vllm_runtime.limits import Limits
from vllm_runtime.options import count, duration, port
from vllm_runtime.profiles import Profile, load_profile
from vllm_runtime.restart_budget import RestartPolicy
from vllm_runtime.run_folder import RunFolder, default_state_folder, run_folder
from vllm_runtime.status_server import serve_status
from vllm_runtime.supervisor import Supervisor

EXIT_FAILED = 1


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="run vLLM's server and watch it",
        usage="vllm_runtime serve [MODEL] [options] [-- arguments for vLLM]",
        description="Starts vLLM's own server and watches it: readiness, progress, memory, why it "
        "ended. Restarts it within bounds. SIGTERM drains: the status says so, then new requests "
        "are refused, those in flight finish, and the engine and all its processes end; a second "
        "one ends them at once. The engine's key is taken from the environment, VLLM_API_KEY.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="a folder or a hub id")
    parser.add_argument("--profile", metavar="NAME", help="settings from --profiles")
    parser.add_argument("--profiles", type=Path, metavar="FILE", help="TOML file of profiles")
    parser.add_argument("--host", default="127.0.0.1", help="where vLLM listens (127.0.0.1)")
    parser.add_argument("--port", type=port, default=8001, help="where vLLM listens (8001)")
    parser.add_argument(
        "--runtime-host", default="127.0.0.1", help="where the status is served (127.0.0.1)"
    )
    parser.add_argument(
        "--runtime-port", type=port, default=8002, help="where the status is served (8002)"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="FOLDER",
        default=default_state_folder(),
        help="what outlives a supervisor that is killed (a folder of this user in the system's "
        "folder for temporary files)",
    )
    _add_limits(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal, or until the engine cannot be kept running.

    Raises:
        RuntimeCommandError: something is wrong before the engine is started.
    """
    profile = _profile(options)
    if options.port == options.runtime_port:
        raise PortUnavailable(
            f"--port and --runtime-port are both {options.port}; give two different ones"
        )
    with run_folder(options.state_dir, options.port) as folder:
        engine = engine_for(
            options.model,
            profile,
            options.engine_arguments,
            host=options.host,
            port=options.port,
            closed_file=folder.closed_file,
        )
        address = {"runtime_host": options.runtime_host, "runtime_port": options.runtime_port}
        return asyncio.run(serve(engine, _limits(options), folder, **address))


async def serve(
    engine: Engine, limits: Limits, folder: RunFolder, *, runtime_host: str, runtime_port: int
) -> int:
    """Run an engine until SIGTERM, SIGINT or SIGHUP; returns the exit code.

    Raises:
        PortUnavailable: one of the ports is taken.
        EngineNotStarted: the system refuses to start the engine.
    """
    output = _Output()
    supervisor = Supervisor(
        engine,
        limits,
        folder,
        versions=_versions(),
        say=lambda sentence: output.line(f"vllm_runtime: {sentence}"),
        show=output.line,
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.stop)
    with serve_status(runtime_host, runtime_port, supervisor.status) as actual_port:
        output.line(f"vllm_runtime: status on http://{_url_host(runtime_host)}:{actual_port}")
        if await supervisor.run():
            return 0
        last = supervisor.status().last_exit
        # Who starts services again can tell what another start would not mend.
        permanent = last is not None and last.reason in PERMANENT
        return ConfigurationError.exit_code if permanent else EXIT_FAILED


class _Output:
    """Standard error, until nobody reads it any more: that is no reason to stop serving."""

    def __init__(self) -> None:
        self._gone = False

    def line(self, text: str) -> None:
        if self._gone:
            return
        try:
            print(text, file=sys.stderr, flush=True)
        except OSError:
            self._gone = True
            # Or the interpreter fails at its end, flushing what nobody takes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _profile(options: argparse.Namespace) -> Profile:
    if (options.profile is None) != (options.profiles is None):
        raise ArgumentRefused("--profile NAME and --profiles FILE belong together; give both")
    if options.profile is None:
        return Profile()
    return load_profile(options.profiles, options.profile)


def _versions() -> dict[str, str | None]:
    return {
        "vllm_runtime": VERSION,
        "python": platform.python_version(),
        "vllm": _installed("vllm"),
        "torch": _installed("torch"),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _add_limits(parser: argparse.ArgumentParser) -> None:
    limits, restarts = Limits(), RestartPolicy()
    rows: Sequence[tuple[str, float, str]] = (
        ("--start-seconds", limits.start, "until it is ready"),
        ("--drain-seconds", limits.drain, "for requests in flight to finish"),
        ("--drain-notice-seconds", limits.drain_notice, "at least, from `draining` to the end"),
        ("--stall-seconds", limits.stall, "without progress, until it is called stalled"),
        ("--backoff-seconds", restarts.backoff_seconds, "before a restart; doubles with each"),
        ("--backoff-max-seconds", restarts.backoff_max_seconds, "before a restart at most"),
        ("--stable-seconds", restarts.stable_seconds, "ready, until restarts count from 0 again"),
    )
    for option, default, meaning in rows:
        parser.add_argument(
            option, type=duration, default=default, metavar="N", help=f"{meaning} ({default:g})"
        )
    parser.add_argument(
        "--max-restarts",
        type=count,
        default=restarts.max_restarts,
        metavar="N",
        help=f"restarts in a row ({restarts.max_restarts})",
    )
    parser.add_argument(
        "--restart-stalled", action="store_true", help="restart a stalled engine; default: report"
    )


def _limits(options: argparse.Namespace) -> Limits:
    return Limits(
        start=options.start_seconds,
        drain=options.drain_seconds,
        drain_notice=options.drain_notice_seconds,
        stall=options.stall_seconds,
        restart_stalled=options.restart_stalled,
        restarts=RestartPolicy(
            max_restarts=options.max_restarts,
            backoff_seconds=options.backoff_seconds,
            backoff_max_seconds=options.backoff_max_seconds,
            stable_seconds=options.stable_seconds,
        ),
    )
