"""One record: an in-toto Statement v1 about one run of one check.

The statement's form is https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md;
the predicate is ours, and docs/deps_upgrade/EVIDENCE.md describes it.
"""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Figure = float | int | str | bool | None

CLOCKS_DIFFER = datetime.timedelta(minutes=5)
"""How far the clocks of two machines may be apart; beyond this, a moment is in the future."""


class Verdict(StrEnum):
    """What a check found."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """It ran, and what it saw does not decide the question."""
    NOT_CHECKABLE = "not_checkable"
    """It cannot be looked at here; the reason says what is missing."""


class _Model(BaseModel):
    # Not `extra=forbid`: in-toto wants readers to ignore what they do not know.
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class DigestSet(_Model):
    """The digest of an artefact."""

    sha256: Sha256


class Subject(_Model):
    """An artefact that the record is about.

    Attributes:
        name: its name in `upgrade.toml`, e.g. `runtime_lock`, or `setting:serving` for values.
    """

    name: str = Field(min_length=1)
    digest: DigestSet

    @classmethod
    def of(cls, name: str, sha256: str) -> Subject:
        """Return the subject with a name and a digest."""
        return cls(name=name, digest=DigestSet(sha256=sha256))


class Host(_Model):
    """The machine that the check ran on.

    Attributes:
        id: a digest of its `/etc/machine-id`; None where there is none.
    """

    name: str
    system: str
    release: str
    machine: str
    id: str | None = None


class Output(_Model):
    """The raw output of what ran: the text itself, or the digest of the file that holds it.

    Attributes:
        sha256: of the whole output as UTF-8.
        text: None where the output is too long for a record; then `output/<sha256>.txt` has it.
    """

    sha256: Sha256
    bytes: int
    text: str | None


class Predicate(_Model):
    """What ran, and what it found.

    Attributes:
        check: the id of the checklist's line.
        sequence: the record's place in the chain, from 1.
        previous: digest of the file of the record before it; None for the first.
        command: what an operator typed.
        figures: what was measured, by name; the name ends with the unit.
    """

    check: str
    sequence: int = Field(ge=1)
    previous: Sha256 | None
    verdict: Verdict
    reason: str
    command: tuple[str, ...]
    tool: str
    started_at: datetime.datetime
    finished_at: datetime.datetime
    host: Host
    figures: dict[str, Figure]
    output: Output


class Statement(_Model):
    """The record."""

    type: Literal["https://in-toto.io/Statement/v1"] = Field(
        default="https://in-toto.io/Statement/v1",
        validation_alias="_type",
        serialization_alias="_type",
    )
    subject: tuple[Subject, ...]
    predicate_type: Literal["urn:querylake:upgrade-gates:check:v1"] = Field(
        default="urn:querylake:upgrade-gates:check:v1",
        validation_alias="predicateType",
        serialization_alias="predicateType",
    )
    predicate: Predicate

    def to_json(self) -> bytes:
        """Return the file's content."""
        return (self.model_dump_json(by_alias=True, indent=2) + "\n").encode()

    def digests(self) -> dict[str, str]:
        """Return the digest of every subject, by name."""
        return {subject.name: subject.digest.sha256 for subject in self.subject}
