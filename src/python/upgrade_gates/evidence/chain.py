"""The chain of records: what a change, a gap, or a missing end looks like.

Each record names the digest of the one before it, and `HEAD` names the last. So an edited record
disagrees with what its successor says of it, a removed one leaves a gap in the numbers, and to one
that was put there by hand nothing leads. `HEAD` announces a record before it is written, so that
one that a crash has left is told from one that somebody else has put there. Somebody who may write
every file can forge a whole chain; sign the records, or copy `HEAD` away, where that matters.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from upgrade_gates.errors import EvidenceUnusable
from upgrade_gates.evidence.statement import Sha256, Statement

RECORD_NAME = re.compile(r"(\d{6})-(?!.*\.json\.)[a-z0-9.-]+\.json")
HEAD = "HEAD"
OUTPUTS = "output"


NOTHING = "0" * 64
"""The digest of the record before the first."""


class Entry(BaseModel):
    """A record's place, and its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(ge=0)
    sha256: Sha256


class Head(Entry):
    """The last record; number 0 before the first.

    Attributes:
        announced: the record that is about to be written.
    """

    announced: Entry | None = None


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
        strangers = _strangers(folder)
    except OSError as error:
        raise EvidenceUnusable(f"{error.filename} cannot be read: {error.strerror}") from None
    damages = [*_gaps(links, head), *strangers]
    problems = _misplaced(links, head)
    records: list[Record] = []
    for link in links:
        problem = link.problem or problems.get(link.file)
        if problem is None and link.statement is not None:
            problem = _output_problem(link.statement, folder / OUTPUTS)
        if problem is not None:
            damages.append(Damage(link.file.name, problem))
        elif link.statement is not None:
            records.append(Record(link.file, link.sha256, link.statement))
    return Chain(tuple(records), tuple(sorted(damages, key=lambda each: each.record)))


def chain_end(folder: Path) -> Entry:
    """Return the record to go on from: HEAD's, or the one that it announced if that is there.

    Where there is no HEAD that can be read, the last file is taken; the damage has been reported.
    """
    try:
        head = Head.model_validate_json((folder / HEAD).read_bytes())
    except (FileNotFoundError, ValueError):
        files = _record_files(folder)
        if not files:
            return Entry(sequence=0, sha256=NOTHING)
        digest = hashlib.sha256(files[-1].read_bytes()).hexdigest()
        return Entry(sequence=int(files[-1].name[:6]), sha256=digest)
    announced = head.announced
    if announced is None:
        return head
    files = [file for file in _record_files(folder) if int(file.name[:6]) == announced.sequence]
    digests = {hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return announced if announced.sha256 in digests else head


def last_number(folder: Path) -> int:
    """Return the highest number of a file, in the chain or not."""
    files = _record_files(folder)
    return int(files[-1].name[:6]) if files else 0


def _record_files(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return sorted(file for file in folder.iterdir() if RECORD_NAME.fullmatch(file.name))


def _strangers(folder: Path) -> list[Damage]:
    """Return files that are no part of the evidence; signatures of records may lie beside them."""
    if not folder.exists():
        return []
    records = tuple(f"{file.name}." for file in _record_files(folder))
    return [
        Damage(file.name, "it does not belong here: neither a record nor a signature of one")
        for file in sorted(folder.iterdir())
        if not RECORD_NAME.fullmatch(file.name)
        and file.name not in (HEAD, OUTPUTS)
        and not file.name.startswith((".", *records))
    ]


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
    if head is None:
        return [Damage(HEAD, "it has been removed")] if links else []
    present = {link.sequence for link in links}
    return [
        Damage(f"{number:06}-*.json", "it has been removed")
        for number in range(1, max([*present, head.sequence]) + 1)
        if number not in present
    ]


def _misplaced(links: list[_Link], head: Head | Damage | None) -> dict[Path, str]:
    """Walk the chain from its end, and return what is wrong with the place of each record."""
    if not links:
        return {}
    end = _end(links, head)
    problems: dict[Path, str] = {}
    expected: str | None = end.sha256
    above = HEAD
    for place, link in reversed(list(enumerate(links))):
        if link.sequence > end.sequence:
            problems[link.file] = f"it is not in the chain, which ends with record {end.sequence}"
            continue
        # None: what names this record cannot be read, so nothing contradicts it.
        if expected is not None and link.sha256 != expected:
            if any(earlier.sha256 == expected for earlier in links[:place]):
                problems[link.file] = "it is not in the chain: no later record leads to it"
                continue
            if _next_number(links, place, end) == link.sequence + 1:
                problems[link.file] = f"it has been changed since {above} was written"
        above = link.file.name
        expected = None if link.statement is None else link.statement.predicate.previous
    return problems


def _next_number(links: list[_Link], place: int, end: Entry) -> int:
    """Return the number of the file after a record; HEAD stands after the last one."""
    number = links[place].sequence
    later = [link.sequence for link in links[place + 1 :] if link.sequence > number]
    return min(later) if later else end.sequence + 1


def _end(links: list[_Link], head: Head | Damage | None) -> Entry:
    """Return the chain's last record; the last file where no HEAD says it."""
    if not isinstance(head, Head):
        return Entry(sequence=links[-1].sequence, sha256=links[-1].sha256)
    announced = head.announced
    if announced is not None and any(link.sha256 == announced.sha256 for link in links):
        return announced
    return head


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
