"""What all tests on hosts share: the built dummy packages."""

from __future__ import annotations

import pytest

from upgrade_gates_testing.bench.debs import DebStore
from upgrade_gates_testing.bench.host import missing_tools


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> DebStore:
    """Packages, each built once."""
    missing = missing_tools()
    assert not missing, f"run this on Debian or Ubuntu: {', '.join(missing)} are missing"
    return DebStore(tmp_path_factory.mktemp("debs"))
