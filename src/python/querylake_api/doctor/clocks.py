"""Whether machines agree on the time: keys expire by it, and records are ordered by it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from querylake_api.doctor.findings import Finding, good, warning

TOLERANCE_SECONDS = 2.0
"""An HTTP date has whole seconds, and asking takes time too."""

_REMEDY = "synchronise both clocks (chrony, systemd-timesyncd)"


def clock(subject: str, theirs: datetime, asked: datetime, answered: datetime) -> Finding:
    """Compare another machine's clock with ours.

    Args:
        theirs: what it said.
        asked: our time before the question.
        answered: our time after the answer.
    """
    behind = (asked - theirs).total_seconds()
    ahead = (theirs - answered).total_seconds()
    offset = max(behind, ahead)
    if offset <= TOLERANCE_SECONDS:
        return good(subject, "agrees with ours")
    word = "behind" if behind > ahead else "ahead of"
    return warning(subject, f"is {offset:.0f} s {word} ours", _REMEDY)


def http_date(value: str | None) -> datetime | None:
    """Return the moment of a `Date` header, or None if there is none that can be read."""
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
