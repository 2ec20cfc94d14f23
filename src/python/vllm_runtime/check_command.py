"""`check`: gate 2 as JSON on standard output."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from vllm_runtime.check import PACKAGES, check_report
from vllm_runtime.driver import driver_version
from vllm_runtime.lock_pins import pinned_versions
from vllm_runtime.options import duration
from vllm_runtime.probe_run import PROBE_COMMAND, run_probe

EXIT_FINDING = 1

_EXPECTATION = re.compile(rf"({'|'.join(PACKAGES)})==?([0-9][A-Za-z0-9.+!_-]*)")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "check",
        help="say as JSON whether this environment can run vLLM",
        description="Imports torch and vLLM in a child process, and compares their versions, the "
        "CUDA variant and the NVIDIA driver with what is needed. Exit code 0 only if everything "
        "that was asked for holds.",
    )
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help="expect the versions that this lock file pins"
    )
    parser.add_argument(
        "--expect",
        type=_expectation,
        metavar="PACKAGE=VERSION",
        action="append",
        default=[],
        help="expect this version of torch or vllm; goes before --lock",
    )
    parser.add_argument(
        "--require-cuda", action="store_true", help="fail unless torch can use a CUDA device here"
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="SECONDS",
        default=300.0,
        help="how long the imports may take (default: 300)",
    )
    parser.set_defaults(run=run)


def run(
    options: argparse.Namespace,
    *,
    probe_command: tuple[str, ...] = PROBE_COMMAND,
    driver: Callable[[], str | None] = driver_version,
) -> int:
    """Print the report and return the exit code.

    Raises:
        LockUnreadable: `--lock` names no usable lock.
    """
    pins = pinned_versions(options.lock, PACKAGES) if options.lock else {}
    report = check_report(
        run_probe(probe_command, seconds=options.timeout),
        driver=driver(),
        expected={**pins, **dict(options.expect)},
        require_cuda=options.require_cuda,
    )
    print(report.model_dump_json(indent=2))
    return 0 if report.ok else EXIT_FINDING


def _expectation(text: str) -> tuple[str, str]:
    found = _EXPECTATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not PACKAGE=VERSION with one of {', '.join(PACKAGES)}"
        )
    return found[1], found[2]
