"""The command lines and environments of the programs that `up` starts."""

from __future__ import annotations

import sys
from pathlib import Path

from local_stack.admin_key import ARGUMENTS
from local_stack.children import Program, clean_environment
from local_stack.config_file import RUNTIME_KEY_VARIABLE, StackConfig
from local_stack.layout import DataDir, Repository

_API_STOP_SECONDS = 15.0
_RUNTIME_STOP_SECONDS = 10.0


class Programs:
    """Everything that can be started for one stack."""

    def __init__(
        self, repository: Repository, data: DataDir, config: StackConfig, runtime_key: str
    ) -> None:
        self._repository = repository
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
        pex = self._repository.api_pex
        return self._program("api", "the API", pex, arguments, _API_STOP_SECONDS)

    def create_key(self) -> Program:
        """Return the command that creates a key and prints it as JSON."""
        arguments = ("keys", "create", *ARGUMENTS, *self._configured())
        title = "creating an API key"
        pex = self._repository.api_pex
        return self._program("keys", title, pex, arguments, _API_STOP_SECONDS)

    def runtime(self, port: int, chat_model: Path | None) -> Program:
        """Return the CPU engine."""
        model = () if chat_model is None else ("--chat-model", str(chat_model.resolve()))
        arguments = ("serve", "--host", "127.0.0.1", "--port", str(port), *model)
        pex = self._repository.runtime_pex
        return self._program("runtime", "the CPU engine", pex, arguments, _RUNTIME_STOP_SECONDS)

    def _configured(self) -> tuple[str, str]:
        return ("--config", str(self._config.path.resolve()))

    def _program(
        self, name: str, title: str, pex: Path, arguments: tuple[str, ...], stop_seconds: float
    ) -> Program:
        return Program(
            name=name,
            title=title,
            # A PEX names its interpreter as `python3.11`, which need not be on PATH; this one is.
            command=(sys.executable, str(pex), *arguments),
            environment=self._environment,
            folder=self._data.root,
            log=self._data.logs / f"{name}.log",
            stop_seconds=stop_seconds,
        )
