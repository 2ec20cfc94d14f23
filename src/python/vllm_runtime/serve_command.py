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

DESCRIPTION = """\
Run `vllm serve` as a child process and monitor its readiness, progress,
memory and exit reason. Restarts are bounded. The first SIGTERM drains: the
status reports `draining`, new requests are refused, requests in flight finish,
then every process of the engine ends. A second SIGTERM ends them at once.
The engine's API key is read from the environment variable VLLM_API_KEY.
"""
EXAMPLES = """\
examples:
  vllm_runtime serve Qwen/Qwen2.5-7B-Instruct --port 8011 --runtime-port 8012
  vllm_runtime serve /models/smollm2 -- --max-num-seqs 64 --max-model-len 8192
  vllm_runtime serve --profiles profiles.toml --profile small

exit codes (sysexits.h): 0 stopped by a signal; 1 the engine could not be kept
running; 2 wrong options; 69 a port is taken; 73 --state-dir cannot be used;
78 the configuration must be changed before another start.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "serve",
        help="run the vLLM server under supervision",
        usage="vllm_runtime serve [MODEL] [options] [-- vLLM options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="local folder or model hub id")
    parser.add_argument(
        "--profile", metavar="NAME", help="profile to take settings from; needs --profiles"
    )
    parser.add_argument("--profiles", type=Path, metavar="FILE", help="TOML file with profiles")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address that vLLM listens on (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8001,
        metavar="PORT",
        help="port that vLLM listens on (default: 8001)",
    )
    parser.add_argument(
        "--runtime-host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address of /runtime/status and /metrics (default: 127.0.0.1)",
    )
    parser.add_argument(
        "--runtime-port",
        type=port,
        default=8002,
        metavar="PORT",
        help="port of /runtime/status and /metrics (default: 8002)",
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="FOLDER",
        default=default_state_folder(),
        help="folder for state that survives a killed supervisor (default: a per-user folder in "
        "the system's temporary folder)",
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
        ("--start-seconds", limits.start, "time limit for the engine to become ready"),
        ("--drain-seconds", limits.drain, "time limit for requests in flight when draining"),
        (
            "--drain-notice-seconds",
            limits.drain_notice,
            "minimum time that `draining` is reported before requests are refused",
        ),
        (
            "--stall-seconds",
            limits.stall,
            "time with running requests and no generated token, after which the engine is stalled",
        ),
        (
            "--backoff-seconds",
            restarts.backoff_seconds,
            "delay before the first restart; doubles with each further one",
        ),
        ("--backoff-max-seconds", restarts.backoff_max_seconds, "maximum delay before a restart"),
        (
            "--stable-seconds",
            restarts.stable_seconds,
            "time in state ready, after which the restart counter is reset",
        ),
    )
    for option, default, meaning in rows:
        parser.add_argument(
            option,
            type=duration,
            default=default,
            metavar="SECONDS",
            help=f"{meaning} (default: {default:g})",
        )
    parser.add_argument(
        "--max-restarts",
        type=count,
        default=restarts.max_restarts,
        metavar="N",
        help=f"maximum number of consecutive restarts (default: {restarts.max_restarts})",
    )
    parser.add_argument(
        "--restart-stalled",
        action="store_true",
        help="restart a stalled engine (default: only report it)",
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
