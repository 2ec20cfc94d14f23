"""Every module that runs for a request says whether it is compiled, and why if it is not."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys
from collections.abc import Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from llm_provider_testing.scripted_engine import ScriptedEngine
from querylake_api_testing.running import running_api, write_config_of_one_model

ROOTS = tuple(
    str(Path(spec.origin).parent)
    for spec in map(importlib.util.find_spec, ("llm_provider", "querylake_api"))
    if spec is not None and spec.origin is not None
)
SAID = re.compile(r"^# (compiled|interpreted): \S", re.M)
T = TypeVar("T")
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@contextmanager
def tracing() -> Iterator[set[Path]]:
    """Give the files of ours of which a function runs in the block, for requests.

    What tasks do that ran before, and the tasks that they start, is no part of a request.
    Compiled functions are not seen.
    """
    files: set[Path] = set()
    loop = asyncio.get_running_loop()
    background = asyncio.all_tasks()

    def start(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T] | Generator[Any, None, T], /
    ) -> asyncio.Task[T]:
        task = asyncio.Task(work, loop=loop)
        if asyncio.current_task(loop) in background:
            background.add(task)
        return task

    def profile(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if (
            event == "call"
            and file.startswith(ROOTS)
            and asyncio.current_task(loop) not in background
        ):
            files.add(Path(file))

    earlier = loop.get_task_factory()
    loop.set_task_factory(start)
    sys.setprofile(profile)
    try:
        yield files
    finally:
        sys.setprofile(None)
        loop.set_task_factory(earlier)


def silent(files: Iterable[Path]) -> list[str]:
    """Return the files that do not say whether they are compiled."""
    return sorted(str(file) for file in files if not SAID.search(file.read_text(encoding="utf-8")))


async def test_no_module_of_the_request_path_is_left_out(
    tmp_path: Path, database_url: str, engine: ScriptedEngine
) -> None:
    config = write_config_of_one_model(
        tmp_path,
        database=database_url,
        engine=engine.url,
        health={"interval_seconds": 3600.0},  # No probe while a request is traced.
    )
    async with running_api(config) as api:
        await api.post("/v1/chat/completions", CHAT)
        with tracing() as ran:
            whole = await api.post("/v1/chat/completions", CHAT)
            streamed = await api.post("/v1/chat/completions", CHAT | {"stream": True})
            await api.requests_logged(3)
    assert (whole.status_code, streamed.status_code) == (200, 200)
    assert len(ran) >= 5
    unsaid = "\n".join(silent(ran))
    assert not unsaid, f"say `# compiled: ` or `# interpreted: ` there, with the reason:\n{unsaid}"


def test_a_module_that_says_nothing_is_found(tmp_path: Path) -> None:
    said, unsaid = tmp_path / "said.py", tmp_path / "unsaid.py"
    said.write_text('"""Routes."""\n\n# interpreted: it makes dataclasses.\n', encoding="utf-8")
    unsaid.write_text('"""Routes."""\n\n# compiled:\n', encoding="utf-8")
    assert silent([said, unsaid]) == [str(unsaid)]
