"""One stack for all end-to-end tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e_testing.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Start an engine and the API, and stop them when every test has run."""
    # Not pytest's folder, which it may close to the user that PostgreSQL runs as.
    with (
        tempfile.TemporaryDirectory(prefix="querylake-") as folder,
        running_stack(Path(folder)) as started,
    ):
        yield started
