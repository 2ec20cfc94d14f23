"""What can be asked of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from uuid import UUID

DEFAULT_DAYS = 30
"""How far back an answer goes if nobody says from when."""


class Dimension(StrEnum):
    """What records can be grouped by. Hours and days are of UTC."""

    KEY = "key"
    MODEL = "model"
    UPSTREAM = "upstream"
    STACK = "stack"
    OUTCOME = "outcome"
    ROUTE = "route"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which records are meant: those that match everything that is not None.

    Attributes:
        start: requests that began then or later.
        end: requests that began earlier.
    """

    start: datetime
    end: datetime
    key: str | None = None
    model: str | None = None
    upstream: str | None = None
    stack: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the list of records: that of the last one that was read."""

    began_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.began_at.timestamp():.6f}_{self.id}"

    @classmethod
    def parse(cls, text: str) -> Place:
        """Return the place that was written as text.

        Raises:
            ValueError: it was not.
        """
        moment, _, record = text.partition("_")
        try:
            return cls(datetime.fromtimestamp(float(moment), UTC), UUID(record))
        except (ValueError, OverflowError, OSError):
            raise ValueError(f"{text!r} is no place in the list") from None


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9998, 12, 31, tzinfo=UTC)
"""Between these, every time zone and every period can be reckoned with."""


def is_in_calendar(moment: datetime) -> bool:
    """Return whether a moment is one that can be reckoned with."""
    return EARLIEST <= _zoned(moment) <= LATEST


def period(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return the period that is meant. Moments without a zone are of UTC.

    Raises:
        ValueError: it ends before it begins, or is outside the calendar.
    """
    for moment in (start, end):
        if moment is not None and not is_in_calendar(moment):
            raise ValueError(f"{moment.isoformat()} is outside {EARLIEST.year} to {LATEST.year}")
    last = _zoned(end) if end is not None else datetime.now(UTC) + timedelta(seconds=1)
    first = _zoned(start) if start is not None else last - timedelta(days=DEFAULT_DAYS)
    if first >= last:
        raise ValueError(f"the period from {first.isoformat()} to {last.isoformat()} is empty")
    return first, last


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
