"""One stack for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e_testing.stack import Stack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start an engine and the API, and stop them when every test has run."""
    with running_stack(tmp_path_factory.mktemp("stack")) as started:
        yield started
