"""Help is in the field's language: examples, units, defaults, and no line beyond a terminal."""

from __future__ import annotations

import re

import pytest

from vllm_runtime.cli import main


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ["serve", "check"])
def test_help_fits_a_terminal_and_shows_examples(
    command: str, flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main([command, flag])
    text = capsys.readouterr().out
    assert end.value.code == 0
    assert f"  vllm_runtime {command} " in text.partition("examples:")[2]
    assert max(map(len, text.splitlines())) <= 80


def test_every_option_with_a_value_tells_its_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["serve", "-h"])
    options = re.findall(r"^  (--\S+) \S+\s+(.*(?:\n {20,}.*)*)", capsys.readouterr().out, re.M)
    assert len(options) > 10
    untold = [name for name, text in options if "default:" not in text]
    assert untold == ["--profile", "--profiles"]
