"""Appending records: atomic, one writer at a time, nothing ever rewritten."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
import platform
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from querylake_version import VERSION
from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.evidence.chain import (
    HEAD,
    OUTPUTS,
    RECORD_NAME,
    Chain,
    Head,
    Record,
    read_chain,
    record_name,
)
from upgrade_gates.evidence.statement import (
    Figure,
    Host,
    Output,
    Predicate,
    Statement,
    Subject,
    Verdict,
)

INLINE_OUTPUT_BYTES = 32 * 1024
"""A longer output gets a file of its own."""

LOCK = ".lock"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found: everything in a record that the store does not add itself.

    Attributes:
        check: the id of the checklist's line.
        reason: one sentence: what was seen and, where it is not well, what to do.
        subjects: sha256 by artefact name.
        figures: what was measured; names end with their unit.
        output: the raw output of what ran.
    """

    check: str
    verdict: Verdict
    reason: str
    started_at: datetime.datetime
    finished_at: datetime.datetime
    subjects: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    output: str = ""


class EvidenceStore:
    """The records below one folder. Several processes may append at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Chain:
        """Read and check everything. Raises `EvidenceUnusable` where a file cannot be read."""
        return read_chain(self._folder)

    def append(self, findings: Sequence[Finding], *, command: Sequence[str]) -> list[Record]:
        """Write one record for each finding, in order.

        A record is complete or absent, also after a crash. Damage in older records does not stop
        new ones: it stays visible, and what is true today can still be shown.

        Args:
            command: what the operator typed; it must hold no secret.

        Raises:
            EvidenceUnusable: the folder cannot be written.
        """
        try:
            with self._locked():
                return [self._append(finding, tuple(command)) for finding in findings]
        except OSError as error:
            raise EvidenceUnusable(
                f"evidence cannot be written to {self._folder}: {error.strerror or error}"
            ) from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        (self._folder / OUTPUTS).mkdir(parents=True, exist_ok=True)
        with (self._folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _append(self, finding: Finding, command: tuple[str, ...]) -> Record:
        last = self._last()
        statement = Statement(
            subject=tuple(
                Subject.of(name, sha256) for name, sha256 in sorted(finding.subjects.items())
            ),
            predicate=Predicate(
                check=finding.check,
                sequence=last.sequence + 1 if last else 1,
                previous=last.sha256 if last else None,
                verdict=finding.verdict,
                reason=finding.reason,
                command=command,
                tool=f"upgrade_gates {VERSION}",
                started_at=finding.started_at,
                finished_at=finding.finished_at,
                host=this_host(),
                figures=dict(finding.figures),
                output=self._keep_output(finding.output),
            ),
        )
        content = statement.to_json()
        digest = hashlib.sha256(content).hexdigest()
        file = self._folder / record_name(statement)
        _write(file, content)
        head = Head(sequence=statement.predicate.sequence, sha256=digest)
        _write(self._folder / HEAD, head.model_dump_json().encode() + b"\n")
        return Record(file, digest, statement)

    def _last(self) -> Head | None:
        """Return the record to go on from: the one with the highest number, HEAD's or not."""
        files = sorted(file for file in self._folder.iterdir() if RECORD_NAME.fullmatch(file.name))
        try:
            head = Head.model_validate_json((self._folder / HEAD).read_bytes())
        except (FileNotFoundError, ValueError):
            head = None
        if files and (head is None or int(files[-1].name[:6]) > head.sequence):
            digest = hashlib.sha256(files[-1].read_bytes()).hexdigest()
            return Head(sequence=int(files[-1].name[:6]), sha256=digest)
        return head

    def _keep_output(self, text: str) -> Output:
        # What no UTF-8 decoder would take back is shown as it would be printed.
        content = text.encode("utf-8", "backslashreplace")
        digest = hashlib.sha256(content).hexdigest()
        if len(content) <= INLINE_OUTPUT_BYTES:
            return Output(sha256=digest, bytes=len(content), text=content.decode())
        file = self._folder / OUTPUTS / f"{digest}.txt"
        if not file.exists():
            _write(file, content)
        return Output(sha256=digest, bytes=len(content), text=None)


def this_host() -> Host:
    """Describe this machine."""
    return Host(
        name=socket.gethostname(),
        system=platform.system(),
        release=platform.release(),
        machine=platform.machine(),
    )


def _write(file: Path, content: bytes) -> None:
    """Put a file in place, whole, and let it reach the disk first."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(name, 0o644)
    os.replace(name, file)
