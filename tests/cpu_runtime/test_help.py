"""Help, as whoever runs the program reads it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import cpu_runtime.cli
from cpu_runtime.cli import main


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_defaults_units_and_examples(
    flag: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PEX", raising=False)
    started = str(Path(cpu_runtime.cli.__file__).with_name("__main__.py"))

    def help_of(*command: str) -> str:
        monkeypatch.setattr(sys, "argv", [started, *command, flag])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 0
        return " ".join(capsys.readouterr().out.split())

    assert "Examples: python -m cpu_runtime serve" in help_of()
    serve = help_of("serve")
    assert serve.startswith("Usage: python -m cpu_runtime serve")
    for said in ("[default: 8192; x>=256]", "in tokens", "in seconds", "[default: 127.0.0.1]"):
        assert said in serve
