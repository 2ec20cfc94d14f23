"""What a supervisor leaves to the next one on its port."""

from __future__ import annotations

from pathlib import Path

import pytest

from vllm_runtime.errors import AlreadySupervised, StateFolderUnusable
from vllm_runtime.run_folder import run_folder


def test_what_was_recorded_is_there_for_the_next_one(tmp_path: Path) -> None:
    with run_folder(tmp_path / "state", 8001) as folder:
        assert folder.recorded() == {}
        folder.record({17: 1234, 18: 1235})
    with run_folder(tmp_path / "state", 8002) as other:
        assert other.recorded() == {}
    with run_folder(tmp_path / "state", 8001) as folder:
        assert folder.recorded() == {17: 1234, 18: 1235}


@pytest.mark.parametrize(
    "content",
    [
        '{"boot": "another", "processes": {"17": 1234}}',
        '{"boot": ',
        "[]",
        '{"processes": {}}',
        "\udcff",
    ],
    ids=["before a reboot", "cut off", "no object", "no boot", "no text"],
)
def test_what_cannot_be_trusted_names_nobody(tmp_path: Path, content: str) -> None:
    """A process that happens to have an old one's id must not be ended."""
    with run_folder(tmp_path, 8001) as folder:
        folder.record({17: 1234})
        written = tmp_path / "port-8001" / "processes.json"
        written.write_text(content, encoding="utf-8", errors="surrogateescape")
        assert folder.recorded() == {}


def test_a_port_has_one_supervisor(tmp_path: Path) -> None:
    with (
        run_folder(tmp_path, 8001),
        pytest.raises(AlreadySupervised, match="serves port 8001; .* --port"),
        run_folder(tmp_path, 8001),
    ):
        pass


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """They could have us end any process of this user."""
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with (
        pytest.raises(StateFolderUnusable, match="this user alone.*--state-dir"),
        run_folder(state, 8001),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(StateFolderUnusable, match="Not a directory; name another"),
        run_folder(tmp_path / "file" / "state", 8001),
    ):
        pass
