"""The command line: `check` and `serve`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from querylake_version import VERSION
from vllm_runtime import check_command, serve_command
from vllm_runtime.errors import RuntimeCommandError

EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    ours, engine_arguments = _split(given)
    parser = command_parser()
    options = parser.parse_args(ours)
    if engine_arguments and options.command != "serve":
        parser.error("only `serve` takes arguments after `--`")
    options.engine_arguments = engine_arguments
    if options.command is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        code: int = options.run(options)
    except RuntimeCommandError as error:
        print(f"vllm_runtime: {error}", file=sys.stderr)
        return error.exit_code
    return code


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Divide at the first `--`: what follows is for vLLM, and argparse must not look at it."""
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def command_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="vllm_runtime", description="Run the vLLM server under supervision."
    )
    parser.add_argument("--version", action="version", version=f"vllm_runtime {VERSION}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    check_command.add_to(commands)
    serve_command.add_to(commands)
    return parser
