"""Appending records: atomic, one writer at a time, nothing ever rewritten."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
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
    Chain,
    Entry,
    Head,
    Record,
    chain_end,
    last_number,
    read_chain,
    record_name,
)
from upgrade_gates.evidence.statement import (
    Figure,
    Output,
    Predicate,
    Statement,
    Subject,
    Verdict,
)
from upgrade_gates.evidence.this_host import host_digest, this_host

INLINE_OUTPUT_BYTES = 32 * 1024
"""A longer output gets a file of its own."""

LOCK = ".lock"

HOST = "host:"
"""Before the name of the machine, where it is the subject."""


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
        end = chain_end(self._folder)
        host = this_host()
        # in-toto knows no statement without a subject: what is about no file is about the machine.
        subjects = finding.subjects or {f"{HOST}{host.name}": host_digest(host)}
        statement = Statement(
            subject=tuple(Subject.of(name, sha256) for name, sha256 in sorted(subjects.items())),
            predicate=Predicate(
                check=finding.check,
                sequence=max(end.sequence, last_number(self._folder)) + 1,
                previous=end.sha256 if end.sequence else None,
                verdict=finding.verdict,
                reason=finding.reason,
                command=command,
                tool=f"upgrade_gates {VERSION}",
                started_at=finding.started_at,
                finished_at=finding.finished_at,
                host=host,
                figures=dict(finding.figures),
                output=self._keep_output(finding.output),
            ),
        )
        content = statement.to_json()
        digest = hashlib.sha256(content).hexdigest()
        file = self._folder / record_name(statement)
        # Announced first: a record that no HEAD has announced was not written by this program.
        entry = Entry(sequence=statement.predicate.sequence, sha256=digest)
        self._point(Head(sequence=end.sequence, sha256=end.sha256, announced=entry))
        _write(file, content)
        self._point(Head(sequence=entry.sequence, sha256=digest))
        return Record(file, digest, statement)

    def _point(self, head: Head) -> None:
        _write(self._folder / HEAD, head.model_dump_json(exclude_none=True).encode() + b"\n")

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


def _write(file: Path, content: bytes) -> None:
    """Put a file in place, whole, and let it reach the disk first."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".new-")
    with os.fdopen(descriptor, "wb") as new:
        new.write(content)
        new.flush()
        os.fsync(new.fileno())
    os.chmod(name, 0o644)
    os.replace(name, file)
