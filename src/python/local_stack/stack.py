"""`up` from beginning to end."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from local_stack import config_file
from local_stack.admin_key import usable_key
from local_stack.build import Needed, ensure_built, require_programs
from local_stack.children import Program
from local_stack.config_file import StackConfig
from local_stack.errors import ConfigUnusable
from local_stack.http_probe import Question
from local_stack.layout import DataDir, Repository, shown
from local_stack.log_file import readable
from local_stack.postgres import stop_left_over
from local_stack.preflight import (
    exclusive,
    free_port,
    prepare_data_dir,
    require_free_port,
    require_space,
)
from local_stack.private_file import read_secret, write_secret
from local_stack.programs import Programs
from local_stack.supervision import Children
from local_stack.terminal import Activity, Terminal, activity
from local_stack.welcome import welcome

DATA_MEGABYTES = 500
"""Room for a new database, its write-ahead log and our logs."""

START_SECONDS = 180.0
"""Until when everything has to be ready. A PEX unpacks itself when it runs for the first time."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        port: where the API listens; 0 picks one, None leaves it to the configuration.
        config: a configuration that is used as it is, instead of the generated one.
        chat_model: a GGUF file for the CPU engine, instead of the model that it brings along.
        start_seconds: how long everything may take until it is ready.
    """

    data_dir: Path
    port: int | None = None
    build: bool = True
    config: Path | None = None
    chat_model: Path | None = None
    start_seconds: float = START_SECONDS


async def up(
    options: Options, repository: Repository, children: Children, terminal: Terminal
) -> None:
    """Check, build, start, greet, and run until cancelled or until a program ends by itself.

    Raises:
        LocalStackError: something is missing or failed; nothing that was started still runs.
    """
    data = DataDir(options.data_dir.resolve())
    prepare_data_dir(data)
    with exclusive(data) as announce:
        require_space(data.root, DATA_MEGABYTES, "the stack", "free some, or choose --data-dir")
        config = _configuration(options, data)
        announce(f"process {os.getpid()}, {config.url}")
        needed = Needed.for_up(repository)
        if options.build:
            await ensure_built(repository, needed, data, children, terminal)
        else:
            require_programs(needed)
        programs = Programs(repository, data, config, _runtime_key(data))
        try:
            await _run(options, data, config, programs, children, terminal)
        finally:
            await children.stop()
            if config.postgres is not None and (pid := await stop_left_over(config.postgres)):
                terminal.line(f"PostgreSQL still runs as process {pid}.")


async def _run(
    options: Options,
    data: DataDir,
    config: StackConfig,
    programs: Programs,
    children: Children,
    terminal: Terminal,
) -> None:
    async with activity(terminal, "Starting", "Ready") as starting:
        children.show = lambda program, line: starting.note(_entry(program, line))
        if config.runtime_port is not None:
            await children.serve(programs.runtime(config.runtime_port, options.chat_model))
        api = await children.serve(programs.api())
        answers = _until_ready(data, config, programs, children, starting, options.start_seconds)
        try:
            key = await children.guard(answers)
        except _NotReady as error:
            raise api.failure(str(error)) from None
    children.show = lambda program, line: terminal.line(_entry(program, line))
    welcome(terminal, config, data, key)
    await children.guard(asyncio.Event().wait())


class _NotReady(Exception):
    """A deadline has passed."""


async def _until_ready(
    data: DataDir,
    config: StackConfig,
    programs: Programs,
    children: Children,
    starting: Activity,
    seconds: float,
) -> str:
    """Return a key, once the API answers with an engine behind it."""
    question = Question(config.url, "/healthz")
    try:
        async with asyncio.timeout(seconds):
            await question.until(200)
            # The engine may load its model meanwhile.
            create = programs.create_key()
            key = await usable_key(
                config.url, data, create, children, lambda line: starting.note(_entry(create, line))
            )
            question = Question(config.url, "/readyz")
            await question.until(200)
    except TimeoutError:
        said = question.answer.text
        raise _NotReady(
            f"is not ready after {seconds:.0f} s ({question.path} says: {said})"
        ) from None
    return key


def _configuration(options: Options, data: DataDir) -> StackConfig:
    """Return the configuration to use, generated if nobody has made one, with free ports."""
    port = free_port("127.0.0.1") if options.port == 0 else options.port
    if options.config is None and not config_file.is_edited(data.config):
        runtime_port = free_port("127.0.0.1")
        config_file.generate(data, port=8000 if port is None else port, runtime_port=runtime_port)
    config = config_file.read(options.config or data.config, port)
    if options.chat_model is not None:
        _require_chat_model(options.chat_model, config)
    remedy = "stop it, or choose another port with --port"
    require_free_port(config.host, config.port, remedy)
    if config.runtime_port is not None:
        where = f"[upstreams.{config_file.UPSTREAM}] in {shown(config.path)}"
        remedy = f"stop it, change {where}, or rename that upstream if it is no engine of ours"
        require_free_port("127.0.0.1", config.runtime_port, remedy)
    return config


def _require_chat_model(chat_model: Path, config: StackConfig) -> None:
    if not chat_model.is_file():
        raise ConfigUnusable(f"--chat-model: {chat_model} is not a file; name a .gguf file")
    if config.runtime_port is None:
        raise ConfigUnusable(
            f"--chat-model is for the CPU engine, and {shown(config.path)} has no "
            f"[upstreams.{config_file.UPSTREAM}] on this machine"
        )


def _runtime_key(data: DataDir) -> str:
    key = read_secret(data.runtime_key)
    if key is None:
        key = secrets.token_urlsafe(32)
        write_secret(data.runtime_key, key)
    return key


def _entry(program: Program, line: str) -> str:
    return f"{program.name:7} | {readable(line)}"
