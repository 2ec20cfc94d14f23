"""One Ray cluster on loopback for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
import ray

from querylake_api.ray_serve.deployment import own_cluster
from querylake_api_testing.databases import database_folder
from querylake_api_testing.ray_head import RayHead, ray_head


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """Be connected to a cluster that ends with the tests; give its version of Ray."""
    with own_cluster(cpus=4):
        yield ray.__version__


@pytest.fixture(scope="session")
def head() -> Iterator[RayHead]:
    """Give a cluster that this process is not connected to."""
    with ray_head() as running:
        yield running


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """Give a folder that an embedded PostgreSQL can be in."""
    with database_folder() as found:
        yield found


@pytest.fixture(scope="session")
def port() -> int:
    """Give the port that Serve listens on, since it stays where it was first told to."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return found
