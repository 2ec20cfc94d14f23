"""What an engine process is told to do, and what it answers. Both go over pipes as JSON."""

from __future__ import annotations

import dataclasses

import orjson


@dataclasses.dataclass(frozen=True, slots=True)
class Order:
    """One model to serve.

    Attributes:
        context_length: of one request, prompt and answer together, in tokens.
        slots: how many requests are worked on at the same time.
        key: what the engine wants to see in each request. It never leaves this machine's memory:
            the pipe keeps it out of command lines and environments.
        verbose: whether the engine reports what it does, and not only what goes wrong.
    """

    file: str
    name: str
    embeds: bool
    context_length: int
    slots: int
    threads: int
    key: str
    chat_template: str | None = None
    verbose: bool = False

    def line(self) -> bytes:
        """Return the order as a line."""
        return orjson.dumps(dataclasses.asdict(self)) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Order:
        """Return what `line` was made of."""
        return cls(**orjson.loads(line))


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """The engine has loaded its model and answers at a URL."""

    url: str

    def line(self) -> bytes:
        """Return the answer as a line."""
        return orjson.dumps(dataclasses.asdict(self)) + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Started:
        """Return what `line` was made of."""
        return cls(**orjson.loads(line))
