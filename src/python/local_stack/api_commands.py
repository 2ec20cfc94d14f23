"""Commands of the API's own program, run on the data folder of a stack: `./querylake keys …`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from local_stack.children import clean_environment
from local_stack.errors import BuildFailed, ConfigUnusable
from local_stack.layout import DataDir, ProgramFiles, Repository, shown

API_COMMANDS = {
    "keys": "create, list, limit and revoke API keys",
    "usage": "what keys and models have used",
    "doctor": "look for what is wrong, and say what to do",
}

_ASKS_FOR_HELP = frozenset({"-h", "--help"})
_NAMES_A_CONFIGURATION = frozenset({"-c", "--config"})


def become_api_command(
    command: str, arguments: Sequence[str], repository: Repository, data: DataDir
) -> NoReturn:
    """Run a command of the API's program in place of this one, with the stack's configuration.

    Raises:
        BuildFailed: the program was neither installed nor packaged yet.
        ConfigUnusable: no stack was ever started on the data folder.
    """
    program = ProgramFiles(data.programs, ".py").api
    if not program.is_file():
        program = ProgramFiles.packaged(repository).api
    if not program.is_file():
        raise BuildFailed("nothing was started here yet; start a stack with ./querylake up")
    given = [command, *arguments]
    if _wants_configuration(command, arguments):
        if not data.config.is_file():
            raise ConfigUnusable(
                f"{shown(data.config)} does not exist; start a stack with ./querylake up"
            )
        given += ["--config", str(data.config)]
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, str(program), *given], clean_environment())


def _wants_configuration(command: str, arguments: Sequence[str]) -> bool:
    if any(each in _ASKS_FOR_HELP or each in _NAMES_A_CONFIGURATION for each in arguments):
        return False
    # `keys` alone has subcommands to list; `doctor` alone is the whole command.
    return bool(arguments) or command == "doctor"
