"""What there is to do for a controller: asked every second, and mostly nothing."""

from __future__ import annotations

from typing import NamedTuple

from querylake_api.persistence.database import Database
from querylake_api.rollouts.records.flips import UNMEASURED


class Agenda(NamedTuple):
    """What there is to do.

    Attributes:
        live: ids of the rollouts that are judged.
        flips: whether there is a change whose way to the workers is not measured.
        news: whether something has happened that was not announced.
    """

    live: list[str]
    flips: bool
    news: bool


async def agenda(database: Database) -> Agenda:
    """Look it up, in one look. Raises `DatabaseUnavailable`."""
    ((live, flips, news),) = await database.heartbeat.glance(_AGENDA)
    return Agenda(live, flips, news)


_AGENDA = f"""
    SELECT ARRAY(SELECT id FROM rollouts WHERE status IN ('running', 'paused')),
           EXISTS (SELECT 1 FROM rollout_events e WHERE {UNMEASURED}),
           EXISTS (
               SELECT 1 FROM rollout_events WHERE id > (SELECT announced FROM rollout_lease)
           )
    """
