"""Whether the gates of the upgrade hold, as their own program says.

It is another program and asked as one: it knows which evidence has gone stale.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class GateEvidence:
    """What the program said.

    Attributes:
        refusal: why this does not allow a promotion; None if it does.
        document: its words, to be kept.
    """

    refusal: str | None
    document: Any


class Gates:
    """Asks `upgrade_gates evidence fresh --for promotion`, or whatever command is configured.

    Args:
        command: with its arguments; empty if none is configured.
        folder: where it runs.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = tuple(command)
        self._folder = folder

    async def evidence(self) -> GateEvidence:
        """Ask. Whatever is not a clear yes is a refusal.

        However it is left, the program has ended by then.
        """
        if not self._command:
            return GateEvidence(
                "no gate evidence is configured (rollouts.gates_command in the configuration)", None
            )
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=self._folder,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            return GateEvidence(f"{self._command[0]} cannot be run: {error.strerror}", None)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                out, errors = await process.communicate()
        except TimeoutError:
            return GateEvidence(f"the gates did not answer within {TIMEOUT_SECONDS:g} s", None)
        finally:
            await _end(process)
        try:
            document = json.loads(out)
        except ValueError:
            said = (errors or out).decode(errors="replace").strip()[:300]
            return GateEvidence(f"the gates cannot say whether they hold: {said}", None)
        holds = isinstance(document, dict) and document.get("holds") is True
        if process.returncode == 0 and holds:
            return GateEvidence(None, document)
        return GateEvidence(f"the gates do not hold: {_missing(document)}", document)


async def _end(process: Process) -> None:
    """End the program and what it has started, unless it has ended, and reap it."""
    if process.returncode is not None:
        return
    # Not `process.kill()`: it looks first whether the process has ended, and reaps it if it has.
    # asyncio, which waits for it as well, then finds no such child.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _missing(document: Any) -> str:
    """Return the first of the lines that are missing, if the program names them."""
    missing = document.get("missing") if isinstance(document, dict) else None
    if not isinstance(missing, list) or not missing:
        return "`upgrade_gates status` shows which"
    named = "; ".join(str(line) for line in missing[:3])
    return f"{named}, and {len(missing) - 3} more" if len(missing) > 3 else named
