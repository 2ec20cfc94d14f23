"""Which files a streamed chat passes on its way through the API."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from querylake_build.house import traced_chat
from querylake_build.house.sizes import lines_of

_SECONDS = 300


class TraceError(Exception):
    """No chat could be traced; the message says why."""


@dataclass(frozen=True)
class RequestPath:
    """The modules below src/python of which a function ran for one streamed chat."""

    files: int
    lines: int


def trace_request_path(sources: Path, python: Path) -> RequestPath:
    """Serve the API of a revision and stream one chat through it.

    Args:
        sources: its src/python.
        python: an interpreter with the requirements of the stack `api`.

    Raises:
        TraceError: it did not serve, or the chat did not end as it should.
    """
    with tempfile.TemporaryDirectory(prefix="house-trace-") as folder:
        result = Path(folder) / "files.json"
        try:
            done = subprocess.run(
                [python, traced_chat.__file__, sources, result],
                env=os.environ | {"PYTHONPATH": str(sources)},
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TraceError(f"{python} could not trace a chat: {error}") from error
        if not result.exists():
            raise TraceError(
                f"{python} traced no chat; does it have what 3rdparty/python/api.lock lists? "
                f"Its last words: {(done.stdout + done.stderr)[-600:].strip()}"
            )
        files = [sources / name for name in json.loads(result.read_text(encoding="utf-8"))]
    return RequestPath(files=len(files), lines=sum(map(lines_of, files)))
