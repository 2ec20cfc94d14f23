"""The CPU engine as a program of its own, without the API in front of it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from e2e_testing.programs import Program

# One thread: llama.cpp's threads wait for each other in loops, which starves whatever else runs.
SERVE = ("cpu_runtime.pex", "serve", "--port", "0", "--threads", "1")


@dataclass(frozen=True)
class CpuEngine:
    """A running `cpu_runtime`, and a client with its key."""

    program: Program
    client: httpx.Client


def address(program: Program) -> str:
    """Wait until a program is ready, and return its URL without the `/v1`."""
    line = program.until("cpu_runtime ready on ")
    return line.split(" on ")[1].strip().removesuffix("/v1")
