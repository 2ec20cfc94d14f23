"""Parity as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


class CorpusPart(BaseModel):
    """What is recorded of one key and model.

    Attributes:
        bytes: as encrypted.
    """

    key_id: str
    model: str
    requests: int
    bytes: int


class CorpusView(BaseModel):
    """What is recorded.

    Attributes:
        recording: whether requests are recorded now.
    """

    recording: bool
    data: list[CorpusPart]


class Forgotten(BaseModel):
    """How many recorded requests were deleted."""

    deleted: int


class ExampleView(BaseModel):
    """A request that both stacks answered differently; only where its key or model agreed to it.

    Attributes:
        pair: the signals of both answers.
    """

    pair: dict[str, Any]
    request: str
    old: str
    new: str


class RolloutParityView(BaseModel):
    """What the pairs of a rollout have shown.

    Attributes:
        verdict: standing, sentence, causes, and every signal with its counts and evidence.
    """

    rollout: str
    verdict: dict[str, Any]
    examples: list[ExampleView]
