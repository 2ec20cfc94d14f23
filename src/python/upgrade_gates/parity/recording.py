"""What an engine answered, kept in a file: a host with room for one engine compares without both.

Recorded is the exchange itself, so whatever compares two engines compares one with a recording. A
question that is asked several times has its answers in the order in which they came.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from upgrade_gates.errors import RecordingUnusable

FORMAT = "querylake parity recording 1"
"""In the file's first line."""

RECORDED_URL = "http://recording.invalid/v1"
"""Where a replayed engine is asked: nowhere (RFC 6761, 6.4)."""


@dataclass
class Recording:
    """The exchanges with one engine.

    Attributes:
        about: what was compared by, so that a replay asks the same: prompts, lengths, the seed.
        answers: status and body, by the digest of the question.
    """

    about: Mapping[str, Any]
    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def add(self, question: str, status: int, body: str) -> None:
        """Keep one answer."""
        self.answers.setdefault(question, []).append((status, body))

    def write(self, file: Path) -> None:
        """Write the file. It holds texts, so its owner alone may read it.

        Raises:
            RecordingUnusable: it cannot be written.
        """
        lines = [json.dumps({"format": FORMAT, "about": self.about})]
        lines += [json.dumps([question, told]) for question, told in self.answers.items()]
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.fchmod(descriptor, 0o600)
            with os.fdopen(descriptor, "wb") as output:
                output.write(gzip.compress("\n".join(lines).encode(), mtime=0))
        except OSError as error:
            raise RecordingUnusable(f"{file} cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, file: Path) -> Recording:
        """Read a file.

        Raises:
            RecordingUnusable: it cannot be read, or is no recording.
        """
        try:
            packed = file.read_bytes()
        except OSError as error:
            raise RecordingUnusable(f"{file} cannot be read: {error.strerror}") from None
        try:
            lines = gzip.decompress(packed).decode().splitlines()
            head = json.loads(lines[0])
            if head["format"] != FORMAT:
                raise RecordingUnusable(
                    f"{file} is {head['format']!r}, and this program reads {FORMAT!r}; record again"
                )
            answers = dict(json.loads(line) for line in lines[1:])
            return cls(
                head["about"],
                {
                    question: [(int(status), str(body)) for status, body in told]
                    for question, told in answers.items()
                },
            )
        except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, LookupError, TypeError):
            raise RecordingUnusable(
                f"{file} is no recording of `upgrade_gates parity record`"
            ) from None


class RecordingTransport(httpx.AsyncBaseTransport):
    """Carries requests over HTTP, and keeps what comes."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return the whole response."""
        response = await self._inner.handle_async_request(request)
        body = await response.aread()
        await response.aclose()
        text = body.decode(errors="replace")
        self._recording.add(await _question(request), response.status_code, text)
        return _response(response.status_code, text)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._inner.aclose()


class ReplayTransport(httpx.AsyncBaseTransport):
    """Answers from a recording. What comes once more than it was recorded gets the last answer."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._given: dict[str, int] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return what was recorded.

        Raises:
            RecordingUnusable: the question was never asked.
        """
        question = await _question(request)
        told = self._recording.answers.get(question)
        if told is None:
            raise RecordingUnusable(
                f"the recording has no answer to {request.method} {request.url.path} with this "
                "body: another release of this program has made it; record again"
            )
        at = self._given.get(question, 0)
        self._given[question] = at + 1
        return _response(*told[min(at, len(told) - 1)])


async def _question(request: httpx.Request) -> str:
    """Return a digest of what is asked; the order of fields does not matter."""
    content = await request.aread()
    body = json.dumps(json.loads(content), sort_keys=True) if content else ""
    asked = f"{request.method} {request.url.path}\n{body}"
    return hashlib.sha256(asked.encode()).hexdigest()


def _response(status: int, text: str) -> httpx.Response:
    return httpx.Response(status, content=text.encode())
