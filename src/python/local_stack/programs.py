"""The command lines and environments of the programs that `up` starts."""

from __future__ import annotations

import sys
from pathlib import Path

from local_stack.admin_key import ARGUMENTS
from local_stack.children import Program, clean_environment
from local_stack.config_file import RUNTIME_KEY_VARIABLE, StackConfig
from local_stack.layout import DataDir, ProgramFiles

_API_STOP_SECONDS = 15.0
_RUNTIME_STOP_SECONDS = 10.0


class Programs:
    """Everything that can be started for one stack."""

    def __init__(
        self, files: ProgramFiles, data: DataDir, config: StackConfig, runtime_key: str
    ) -> None:
        self._files = files
        self._data = data
        self._config = config
        environment = clean_environment()
        environment.setdefault(RUNTIME_KEY_VARIABLE, runtime_key)
        # What a program prints is to be seen when it is printed, not when a buffer is full.
        environment["PYTHONUNBUFFERED"] = "1"
        self._environment = environment

    def api(self) -> Program:
        """Return the API."""
        address = ("--host", self._config.host, "--port", str(self._config.port))
        arguments = ("serve", *self._configured(), *address)
        program = self._files.api
        return self._program("api", "the API", program, arguments, _API_STOP_SECONDS)

    def create_key(self) -> Program:
        """Return the command that creates a key and prints it as JSON."""
        arguments = ("keys", "create", *ARGUMENTS, *self._configured())
        title = "creating an API key"
        program = self._files.api
        return self._program("keys", title, program, arguments, _API_STOP_SECONDS)

    def runtime(self, port: int, chat_model: Path | None, context: int | None = None) -> Program:
        """Return the CPU engine, which calls its model as the configuration does.

        Args:
            context: the length of one chat, in tokens; None leaves it to the engine.
        """
        model: tuple[str, ...] = ()
        if chat_model is not None:
            model = ("--chat-model", str(chat_model))
            if self._config.engine_model is not None:
                model += ("--chat-model-name", self._config.engine_model)
        if context is not None:
            model += ("--context", str(context))
        arguments = ("serve", "--host", "127.0.0.1", "--port", str(port), *model)
        program = self._files.runtime
        return self._program("runtime", "the CPU engine", program, arguments, _RUNTIME_STOP_SECONDS)

    def _configured(self) -> tuple[str, str]:
        return ("--config", str(self._config.path.resolve()))

    def _program(
        self, name: str, title: str, file: Path, arguments: tuple[str, ...], stop_seconds: float
    ) -> Program:
        return Program(
            name=name,
            title=title,
            # A PEX names its interpreter as `python3.11`, which need not be on PATH; this one is.
            command=(sys.executable, str(file), *arguments),
            environment=self._environment,
            folder=self._data.root,
            log=self._data.logs / f"{name}.log",
            stop_seconds=stop_seconds,
        )
