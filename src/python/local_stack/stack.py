"""`up` from beginning to end."""

from __future__ import annotations

import asyncio
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from local_stack import config_file
from local_stack.admin_key import usable_key
from local_stack.chat_model import ChatModel, chat_model
from local_stack.children import Program
from local_stack.config_file import StackConfig
from local_stack.environments import ensure_programs
from local_stack.errors import ConfigUnusable
from local_stack.http_probe import Question
from local_stack.layout import DataDir, ProgramFiles, Repository, shown
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
from local_stack.welcome import open_console, welcome

DATA_MEGABYTES = 500
"""Room for a new database, its write-ahead log and our logs."""

START_SECONDS = 180.0
"""Until when everything has to be ready. What is new is read from the disk."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says.

    Attributes:
        port: where the API listens; 0 picks one, None leaves it to the configuration.
        packaged: run the programs that `./pants package` has written, and not the sources.
        config: a configuration that is used as it is, instead of the generated one.
        chat_model: a GGUF file for the CPU engine, instead of the model that it brings along.
        context: the length of one chat on the CPU engine, in tokens; None leaves it to the engine.
        start_seconds: how long everything may take until it is ready.
        open_console: open the console in a browser, if this machine has a desktop.
    """

    data_dir: Path
    port: int | None = None
    packaged: bool = False
    config: Path | None = None
    chat_model: Path | None = None
    context: int | None = None
    start_seconds: float = START_SECONDS
    open_console: bool = False


async def up(
    options: Options, repository: Repository, children: Children, terminal: Terminal
) -> None:
    """Check, install, start, greet, and run until cancelled or until a program ends by itself.

    Raises:
        LocalStackError: something is missing or failed; nothing that was started still runs.
    """
    data = DataDir(options.data_dir.resolve())
    prepare_data_dir(data)
    model = None if options.chat_model is None else chat_model(options.chat_model)
    with exclusive(data) as announce:
        require_space(data.root, DATA_MEGABYTES, "the stack", "free some, or choose --data-dir")
        config = _configuration(options, data, model)
        announce(f"process {os.getpid()}, {config.url}")
        if options.packaged:
            files = ProgramFiles.packaged(repository)
            files.require(files.api, files.runtime)
        else:
            files = await ensure_programs(repository, data, children, terminal)
        programs = Programs(files, data, config, _runtime_key(data))
        try:
            await _run(options, data, config, programs, children, terminal, model)
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
    model: ChatModel | None,
) -> None:
    if model is not None and not model.has_template:
        terminal.line(
            f"Note: {shown(model.file)} has no chat template, so the engine uses ChatML; a model "
            "that was not made for that answers oddly."
        )
    async with activity(terminal, "Starting", "Ready") as starting:
        children.show = lambda program, line: starting.note(_entry(program, line))
        if config.runtime_port is not None:
            await children.serve(
                programs.runtime(
                    config.runtime_port, None if model is None else model.file, options.context
                )
            )
        api = await children.serve(programs.api())
        answers = _until_ready(data, config, programs, children, starting, options.start_seconds)
        try:
            key = await children.guard(answers)
        except _NotReady as error:
            raise api.failure(str(error)) from None
    children.show = lambda program, line: terminal.line(_entry(program, line))
    welcome(terminal, config, data, key)
    if options.open_console:
        open_console(terminal, config)
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


def _configuration(options: Options, data: DataDir, model: ChatModel | None) -> StackConfig:
    """Return the configuration to use, generated if nobody has made one, with free ports."""
    port = free_port("127.0.0.1") if options.port == 0 else options.port
    if options.config is None and not config_file.is_edited(data.config):
        config_file.generate(
            data,
            port=8000 if port is None else port,
            runtime_port=free_port("127.0.0.1"),
            chat_model=config_file.CHAT_MODEL if model is None else model.name,
        )
    config = config_file.read(options.config or data.config, port)
    _require_model_for(config, model)
    remedy = "stop it, or choose another port with --port"
    require_free_port(config.host, config.port, remedy)
    if config.runtime_port is not None:
        where = f"[upstreams.{config_file.UPSTREAM}] in {shown(config.path)}"
        remedy = f"stop it, change {where}, or rename that upstream if it is no engine of ours"
        require_free_port("127.0.0.1", config.runtime_port, remedy)
    return config


def _require_model_for(config: StackConfig, model: ChatModel | None) -> None:
    """Check that the engine will have the model that the configuration sends chats to."""
    if model is not None and config.runtime_port is None:
        raise ConfigUnusable(
            f"--chat-model is for the CPU engine, and {shown(config.path)} has no "
            f"[upstreams.{config_file.UPSTREAM}] on this machine"
        )
    expected = config.engine_model
    packaged = expected in (None, config_file.CHAT_MODEL)
    if model is None and config.runtime_port is not None and not packaged:
        raise ConfigUnusable(
            f"{shown(config.path)} sends chats to {expected!r} on the CPU engine; name its file "
            f"with --chat-model, or let the target's model be {config_file.CHAT_MODEL!r}"
        )


def _runtime_key(data: DataDir) -> str:
    key = read_secret(data.runtime_key)
    if key is None:
        key = secrets.token_urlsafe(32)
        write_secret(data.runtime_key, key)
    return key


def _entry(program: Program, line: str) -> str:
    return f"{program.name:7} | {readable(line)}"
