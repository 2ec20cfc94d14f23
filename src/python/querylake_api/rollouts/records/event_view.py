"""An event as JSON: to those who ask, and to webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from querylake_api.rollouts.records.repository import Event


class EventView(BaseModel):
    """Something that happened, in plain words and in figures."""

    id: int
    at: datetime | None
    kind: str
    actor: str
    sentence: str
    figures: Mapping[str, Any]

    @classmethod
    def of(cls, event: Event) -> EventView:
        """Return the view of an event."""
        return cls(
            id=event.id,
            at=event.at,
            kind=event.kind,
            actor=event.actor,
            sentence=event.sentence,
            figures=event.figures,
        )
