"""The chain of records: what a change, a gap, or a missing end looks like.

Record N names the digest of record N-1, and `HEAD` names the last. So an edited record disagrees
with what its successor says of it, and a removed one leaves a gap in the numbers. Somebody who may
write every file can forge a whole chain; sign the records, or copy `HEAD` away, where that matters.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.evidence.statement import Sha256, Statement

RECORD_NAME = re.compile(r"(\d{6})-[a-z0-9.-]+\.json")
HEAD = "HEAD"
OUTPUTS = "output"


class Head(BaseModel):
    """The last record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(ge=1)
    sha256: Sha256


@dataclass(frozen=True)
class Damage:
    """A record that is not what was written.

    Attributes:
        record: the file's name.
        reason: one clause.
    """

    record: str
    reason: str


@dataclass(frozen=True)
class Record:
    """A record as it lies on disk."""

    file: Path
    sha256: str
    statement: Statement

    @property
    def check(self) -> str:
        """The checklist line that it is about."""
        return self.statement.predicate.check

    @property
    def sequence(self) -> int:
        """Its place in the chain."""
        return self.statement.predicate.sequence

    def output(self) -> str:
        """Return its raw output, wherever that lies.

        Raises:
            EvidenceUnusable: the file that holds it cannot be read.
        """
        output = self.statement.predicate.output
        if output.text is not None:
            return output.text
        file = self.file.parent / OUTPUTS / f"{output.sha256}.txt"
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise EvidenceUnusable(f"{file} cannot be read: {error.strerror}") from None


@dataclass(frozen=True)
class Chain:
    """Everything in a store.

    Attributes:
        records: those that are what was written, in order.
        damages: every record that is not, or is missing.
    """

    records: tuple[Record, ...]
    damages: tuple[Damage, ...]

    def latest(self, check: str) -> Record | None:
        """Return the last record of a check."""
        return next((each for each in reversed(self.records) if each.check == check), None)


@dataclass(frozen=True)
class _Link:
    """A file of the chain. `statement` is None where it cannot be understood."""

    sequence: int
    file: Path
    sha256: str
    statement: Statement | None
    problem: str | None


def read_chain(folder: Path) -> Chain:
    """Read and check every record. A folder that is not there holds none.

    Raises:
        EvidenceUnusable: the folder or a file in it cannot be read.
    """
    try:
        head = _read_head(folder / HEAD)
        links = [_read_link(file) for file in _record_files(folder)]
    except OSError as error:
        raise EvidenceUnusable(f"{error.filename} cannot be read: {error.strerror}") from None
    damages = [*_gaps(links, head), *_twins(links)]
    records: list[Record] = []
    followers = {link.sequence: link for link in links}
    for link in links:
        problem = link.problem or _disagreement(link, followers.get(link.sequence + 1), head)
        if problem is None and link.statement is not None:
            problem = _output_problem(link.statement, folder / OUTPUTS)
        if problem is not None:
            damages.append(Damage(link.file.name, problem))
        elif link.statement is not None:
            records.append(Record(link.file, link.sha256, link.statement))
    return Chain(tuple(records), tuple(sorted(damages, key=lambda each: each.record)))


def _record_files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(file for file in folder.iterdir() if RECORD_NAME.fullmatch(file.name))


def _read_head(file: Path) -> Head | Damage | None:
    if not file.exists():
        return None
    try:
        return Head.model_validate_json(file.read_bytes())
    except ValidationError:
        return Damage(HEAD, "it is not what was written")


def _read_link(file: Path) -> _Link:
    content = file.read_bytes()
    sequence = int(file.name[:6])
    digest = hashlib.sha256(content).hexdigest()
    try:
        statement = Statement.model_validate_json(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"]) or "its JSON"
        return _Link(sequence, file, digest, None, f"it is not a statement of ours: {where}")
    problem = None
    if file.name != record_name(statement):
        problem = f"its name does not fit what it holds: {record_name(statement)}"
    return _Link(sequence, file, digest, statement, problem)


def record_name(statement: Statement) -> str:
    """Return the name of a record's file."""
    return f"{statement.predicate.sequence:06}-{statement.predicate.check}.json"


def _gaps(links: list[_Link], head: Head | Damage | None) -> list[Damage]:
    if isinstance(head, Damage):
        return [head]
    present = {link.sequence for link in links}
    last = max([*present, head.sequence if head else 0])
    gaps = [
        Damage(f"{number:06}-*.json", "it has been removed")
        for number in range(1, last + 1)
        if number not in present
    ]
    # A crash leaves at most one record that HEAD does not name yet.
    if last > (head.sequence if head else 0) + 1:
        gaps.append(Damage(HEAD, f"it does not name the last record, which is {last}"))
    return gaps


def _twins(links: list[_Link]) -> list[Damage]:
    seen: set[int] = set()
    twins = []
    for link in links:
        if link.sequence in seen:
            twins.append(Damage(link.file.name, "there is another record with this number"))
        seen.add(link.sequence)
    return twins


def _disagreement(link: _Link, follower: _Link | None, head: Head | Damage | None) -> str | None:
    """Return how a record differs from what is said of it elsewhere."""
    if follower is not None and follower.statement is not None:
        if follower.statement.predicate.previous != link.sha256:
            return f"it has been changed since {follower.file.name} was written"
    elif isinstance(head, Head) and head.sequence == link.sequence and head.sha256 != link.sha256:
        return "it has been changed since HEAD was written"
    return None


def _output_problem(statement: Statement, outputs: Path) -> str | None:
    output = statement.predicate.output
    if output.text is not None:
        content = output.text.encode("utf-8", "surrogatepass")
    else:
        file = outputs / f"{output.sha256}.txt"
        if not file.exists():
            return f"its output is gone: {OUTPUTS}/{file.name}"
        content = file.read_bytes()
    if hashlib.sha256(content).hexdigest() != output.sha256:
        return "its output is not the one that was recorded"
    return None
