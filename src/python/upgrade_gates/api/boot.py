"""Starting the API's PEX for a moment, with a database of its own, and stopping it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import httpx

from bounded_process import end_session
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.pex_file import plain_environment, run_pex
from upgrade_gates.serving.outcome import Outcome

_CONFIG = """\
[server]
port = 0
[database]
url = "embedded:postgres"
"""
_STOP_SECONDS = 40.0
_PAUSE = 0.1
_ADDRESS = re.compile(r"listening on (http://[^\s\"]+)")
"""What the API says once it accepts requests; the system has picked the port."""


def check_boot(pex: Path, *, seconds: float) -> Outcome:
    """Start it, wait until it is alive, and end it as an operator would.

    Its database is an empty one in a folder that is thrown away: the real one is not touched.

    Args:
        seconds: how long the start may take; the first one unpacks the PEX.
    """
    with tempfile.TemporaryDirectory(prefix="upgrade-gates-") as folder:
        # PostgreSQL may run as another user.
        os.chmod(folder, 0o755)
        config, log = Path(folder, "querylake.toml"), Path(folder, "log")
        config.write_text(_CONFIG, encoding="utf-8")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(pex), "serve", "--config", str(config)],
                cwd=folder,
                env=plain_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            took = _alive(process, log, seconds)
            code = _stop(process)
        finally:
            # Its workers and its database too, where it did not end them.
            end_session(process)
        said = log.read_text(encoding="utf-8", errors="replace")
    if took is None:
        last = (said.strip() or "it said nothing").splitlines()[-1]
        return Outcome(Verdict.FAIL, f"it is not alive after {seconds:g} s: {last}", said)
    if code != 0:
        return Outcome(Verdict.FAIL, f"it started, and ended with {code} after SIGTERM", said)
    return Outcome(
        Verdict.PASS,
        f"alive after {took:.1f} s with a database of its own, and ended cleanly",
        said,
        {"boot_s": round(took, 1)},
    )


def check_configuration(pex: Path, config: Path, *, seconds: float) -> Outcome:
    """Let it read its real configuration, which starts nothing."""
    ran = run_pex(
        pex, ["check-config", "--config", str(config)], seconds=seconds, cwd=config.parent
    )
    if ran.code == 0:
        return Outcome(Verdict.PASS, f"{config.name} is good", ran.raw)
    return Outcome(Verdict.FAIL, f"it refuses {config.name}: {ran.last_line}", ran.raw)


def _alive(process: subprocess.Popen[bytes], log: Path, seconds: float) -> float | None:
    """Return how long it took until it answered; None if it did not."""
    started = time.monotonic()
    while time.monotonic() - started < seconds and process.poll() is None:
        if (said := _ADDRESS.search(log.read_text(encoding="utf-8", errors="replace"))) is not None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{said[1]}/healthz", timeout=5).status_code == 200:
                    return time.monotonic() - started
        time.sleep(_PAUSE)
    return None


def _stop(process: subprocess.Popen[bytes]) -> int | None:
    """Ask it to end, and return its exit code; None if it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        return None
