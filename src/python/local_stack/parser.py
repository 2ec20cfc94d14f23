"""The options of every command, and their help."""

from __future__ import annotations

import argparse
from pathlib import Path

from local_stack.api_commands import API_COMMANDS
from local_stack.layout import DATA_DIR, Repository
from querylake_version import VERSION

_PROGRAM = "./querylake"
_MIN_CONTEXT = 256

_EXAMPLES = """\
examples:
  ./querylake up                               start everything and print an API key
  ./querylake up --port 9000 --open            on another port, with the console in a browser
  ./querylake up --chat-model qwen3-4b.gguf --context 32768
                                               your own model, with room for a coding agent
  ./querylake keys create --name app           create an API key for an application
  ./querylake doctor                           find out what is wrong, and what to do
  ./querylake stop                             stop everything
"""
_UP = """\
Installs the API and the CPU engine (the first time, and when a lock file has changed), starts both
and an embedded PostgreSQL from this checkout, and prints an API key and a curl command. Ctrl-C
stops everything.
"""
_UP_EXAMPLES = """\
examples:
  ./querylake up --port 0                      on a free port
  ./querylake up --chat-model qwen3-4b.gguf    your own model, also served as "default"
  ./querylake up --data-dir /srv/querylake     another database, other keys
"""
_DEMO = """\
Runs two real engines and 200 simulated users. Rolls out faulty new stacks, then a healthy one, and
explains what happened. Takes less than three minutes on two idle cores.
"""


def parser_of(repository: Repository) -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Run QueryLake on this machine, with a small model on the CPU.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version", action="version", version=f"querylake {VERSION}", help="print the version"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command")
    _add_up(commands, repository)
    for name, says in (
        ("status", "show whether it runs; print the API key and the curl command again"),
        ("stop", "stop what `up` has started"),
    ):
        command = commands.add_parser(name, help=says, description=f"{says.capitalize()}.")
        _add_data_dir(command, repository, DATA_DIR, "data folder of the running stack")
    for name, says in API_COMMANDS.items():
        # Only for the list of commands: the API's program has its own help.
        commands.add_parser(name, help=f"{says} (`./querylake {name} --help`)", add_help=False)
    _add_demo(commands, repository)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_up(commands: Commands[argparse.ArgumentParser], repository: Repository) -> None:
    up = commands.add_parser(
        "up",
        help="install, start everything, print an API key; Ctrl-C stops it",
        description=_UP,
        epilog=_UP_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    up.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        help="port of the API; 0 picks a free one (default: the configuration's, else 8000)",
    )
    _add_data_dir(up, repository, DATA_DIR, "folder for the database, keys, logs and configuration")
    up.add_argument("--open", action="store_true", help="open the console in a browser")
    up.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="your own configuration file (default: a generated one, in the data folder)",
    )
    up.add_argument(
        "--chat-model",
        type=Path,
        metavar="FILE.gguf",
        help="model file for chat, in GGUF format (default: the built-in SmolLM2-135M-Instruct)",
    )
    up.add_argument(
        "--context",
        type=_context,
        metavar="TOKENS",
        help="maximum length of one chat, prompt and response, in tokens; limited by the model "
        "(default: 8192)",
    )
    _add_packaged(up)


def _add_demo(commands: Commands[argparse.ArgumentParser], repository: Repository) -> None:
    demo = commands.add_parser(
        "demo-rollout",
        help="show rollouts on two real engines: one that succeeds, and some that roll back",
        description=_DEMO,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    demo.add_argument(
        "--port",
        type=_port,
        metavar="PORT",
        default=0,
        help="port of the API and its console, /ui (default: 0, a free one)",
    )
    _add_data_dir(
        demo, repository, f"{DATA_DIR}/demo", "folder for the database and logs; emptied first"
    )
    demo.add_argument(
        "--stay", action="store_true", help="keep everything running at the end, until Ctrl-C"
    )
    _add_packaged(demo)


def _add_data_dir(
    command: argparse.ArgumentParser, repository: Repository, folder: str, says: str
) -> None:
    command.add_argument(
        "--data-dir",
        type=Path,
        metavar="FOLDER",
        default=repository.root / folder,
        help=f"{says} (default: {folder}, beside this command)",
    )


def _add_packaged(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--packaged",
        action="store_true",
        help="run the programs in dist/, built by `./pants package-light`, instead of the sources",
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use a number from 0 to 65535")
    return int(text)


def _context(text: str) -> int:
    if not text.isdecimal() or int(text) < _MIN_CONTEXT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number of tokens of at least {_MIN_CONTEXT}"
        )
    return int(text)
