"""All the programs of one `up`: if one of them ends, everything ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from local_stack.children import Child, Program, ending

T = TypeVar("T")


class Children:
    """Starts programs and stops them again, the last one first.

    Attributes:
        show: gets every line that a service writes, and the service's program.
    """

    def __init__(self) -> None:
        self.show: Callable[[Program, str], None] = lambda program, line: None
        self._services: list[Child] = []
        self._commands: list[Child] = []

    async def serve(self, program: Program) -> Child:
        """Start a program that is to run until `stop`.

        Raises:
            ChildFailed: the system refuses.
        """
        child = await Child.start(program, lambda line: self.show(program, line))
        self._services.append(child)
        return child

    async def run(
        self, program: Program, show: Callable[[str], None], *, keep_result: bool = False
    ) -> bytes:
        """Run a program to its end and return its result; see `Child.start`.

        Raises:
            ChildFailed: it does not start, or ends with another exit code than 0.
        """
        child = await Child.start(program, show, keep_result=keep_result)
        self._commands.append(child)
        try:
            code = await asyncio.shield(child.ended)
            if code != 0:
                raise child.failure(ending(code))
            return child.result
        finally:
            await child.stop()
            self._commands.remove(child)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, as long as every service runs.

        Raises:
            ChildFailed: one of them has ended; the work is cancelled.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait(
                [task, *(child.ended for child in self._services)],
                return_when=asyncio.FIRST_COMPLETED,
            )
            # A service that is gone explains why the work failed, so it is looked at first.
            for child in self._services:
                if child.ended.done():
                    raise child.failure(ending(child.ended.result()))
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stop(self) -> None:
        """Stop every service, the last one to start first: it may be using the others."""
        while self._services:
            await self._services[-1].stop()
            self._services.pop()

    def kill(self) -> None:
        """Kill everything at once; whoever waits for an end gets it."""
        for child in [*self._services, *self._commands]:
            child.kill()
