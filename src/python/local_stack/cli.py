"""The command line: `./querylake up|status|stop|keys|usage|doctor|demo-rollout`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from local_stack.api_commands import API_COMMANDS, become_api_command
from local_stack.demo import DemoOptions, become_demo, prepare_demo
from local_stack.errors import LocalStackError, OutputGone
from local_stack.layout import DATA_DIR, DataDir, Repository
from local_stack.parser import parser_of
from local_stack.running_stack import show_status, stop
from local_stack.stack import Options, up
from local_stack.supervision import Children
from local_stack.terminal import Terminal, lead_to_nowhere

EXIT_FAILURE = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 also when the user ends it."""
    repository = Repository.here()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if words and words[0] in API_COMMANDS:
            folder, rest = _data_dir_first(words[1:], repository)
            become_api_command(words[0], rest, repository, DataDir(folder.resolve()))
        parser = parser_of(repository)
        given = parser.parse_args(words)
        if given.command is None:
            parser.print_help()
            return EXIT_USAGE
        return _obey(given, repository)
    except LocalStackError as error:
        _report(str(error), error.evidence)
        return EXIT_FAILURE
    except OSError as error:
        _report(f"{error.filename or 'a system call'}: {error.strerror}")
        return EXIT_FAILURE


def _obey(given: argparse.Namespace, repository: Repository) -> int:
    data = DataDir(given.data_dir.resolve())
    match given.command:
        case "up":
            _run(partial(up, _up_options(given), repository))
        case "status":
            return show_status(data, Terminal(sys.stdout))
        case "stop":
            stop(data, Terminal(sys.stdout))
        case _:
            options = DemoOptions(given.data_dir, given.port, given.packaged, given.stay)
            files = _run(partial(prepare_demo, options, repository))
            if files is not None:
                become_demo(options, files)
    return 0


def _data_dir_first(words: list[str], repository: Repository) -> tuple[Path, list[str]]:
    """Split off `--data-dir FOLDER`, which comes before what is for the API's program."""
    if words[:1] == ["--data-dir"] and len(words) > 1:
        return Path(words[1]), words[2:]
    return repository.root / DATA_DIR, words


def _up_options(given: argparse.Namespace) -> Options:
    return Options(
        data_dir=given.data_dir,
        port=given.port,
        packaged=given.packaged,
        config=given.config,
        chat_model=given.chat_model,
        context=given.context,
        open_console=given.open,
    )


Result = TypeVar("Result")
Work = Callable[[Children, Terminal], Coroutine[Any, Any, Result]]


def _run(work: Work[Result]) -> Result | None:
    """Do some work with children, and return its result; None if a signal ended it."""
    return asyncio.run(_until_signal(work, Terminal(sys.stdout)))


class _Stop:
    """Asking for the end: the first time politely, the second time at once."""

    def __init__(self, work: asyncio.Task[Any], children: Children, terminal: Terminal) -> None:
        self._work = work
        self._children = children
        self._terminal = terminal
        self._asked = False
        self.failure: LocalStackError | None = None

    def ask(self) -> None:
        """Stop, because somebody wants it."""
        if self._asked:
            self._children.kill()
            return
        self._asked = True
        self._terminal.line("Stopping (again to stop at once) ...")
        self._work.cancel()

    def output_gone(self, reason: str) -> None:
        """Stop, because nobody reads any more."""
        if not self._asked:
            self._asked = True
            self.failure = OutputGone(reason)
            self._work.cancel()


async def _until_signal(work: Work[Result], terminal: Terminal) -> Result | None:
    children = Children()
    task = asyncio.create_task(work(children, terminal))
    stop = _Stop(task, children, terminal)
    terminal.on_gone = stop.output_gone
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.ask)
    try:
        return await task
    except asyncio.CancelledError:
        if stop.failure is not None:
            raise stop.failure from None
        terminal.line("Stopped.")
        return None


def _report(message: str, evidence: Sequence[str] = ()) -> None:
    lines = [f"  {line}" for line in evidence]
    if lines:
        lines.insert(0, "Its last words:")
    try:
        print(*lines, f"error: {message}", sep="\n", file=sys.stderr, flush=True)
    except BrokenPipeError:
        lead_to_nowhere(sys.stderr)  # nobody reads it; the exit code still tells
