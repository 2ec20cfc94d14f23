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

EXAMPLES = """\
examples:
  vllm_runtime check --lock inference.lock --require-cuda
  vllm_runtime check --expect torch=2.9.0 --expect vllm=0.13.0

exit codes: 0 every requirement holds; 1 one does not; 2 wrong options.
"""

_EXPECTATION = re.compile(rf"({'|'.join(PACKAGES)})==?([0-9][A-Za-z0-9.+!_-]*)")


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "check",
        help="report as JSON whether this environment can run vLLM",
        description="Import torch and vLLM in a child process, and compare their versions, the\n"
        "CUDA variant and the NVIDIA driver with the requirements.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help="require the versions that this lock file pins"
    )
    parser.add_argument(
        "--expect",
        type=_expectation,
        metavar="PACKAGE=VERSION",
        action="append",
        default=[],
        help="require this version of torch or vllm; overrides --lock; repeatable",
    )
    parser.add_argument(
        "--require-cuda", action="store_true", help="fail unless torch can use a CUDA device"
    )
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="SECONDS",
        default=300.0,
        help="time limit for the imports (default: 300)",
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
