"""Whether Ray shows its token to a cluster that was named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from querylake_api.ray_serve.versions import show_token


@pytest.mark.parametrize(
    ("token", "said", "mode"),
    [("secret", None, "token"), ("secret", "disabled", "disabled"), (" ", None, None)],
)
def test_a_token_is_shown_to_the_cluster_unless_the_operator_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str, said: str | None, mode: str | None
) -> None:
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    (tmp_path / "token").write_text(token)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("RAY_AUTH_MODE", said or "")
    if said is None:
        monkeypatch.delenv("RAY_AUTH_MODE")
    show_token()
    assert os.environ.get("RAY_AUTH_MODE") == mode
