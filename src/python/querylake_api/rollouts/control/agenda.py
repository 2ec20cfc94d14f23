"""What there is to do for a controller: asked every second, and mostly nothing."""

from __future__ import annotations

from typing import NamedTuple

from querylake_api.persistence.database import Database
from querylake_api.rollouts.records.flips import UNMEASURED


class Agenda(NamedTuple):
    """What there is to do.

    Attributes:
        live: ids of the rollouts that are judged.
        watched: ids of those that are promoted and still watched. A rollout that began after one
            ends its watch: what it promoted is the stable stack by then.
        flips: whether there is a change whose way to the workers is not measured.
        news: whether something has happened that was not announced.
    """

    live: list[str]
    watched: list[str]
    flips: bool
    news: bool


async def agenda(database: Database) -> Agenda:
    """Look it up, in one look. Raises `DatabaseUnavailable`."""
    ((live, watched, flips, news),) = await database.heartbeat.glance(_AGENDA)
    return Agenda(live, watched, flips, news)


_AGENDA = f"""
    SELECT ARRAY(SELECT id FROM rollouts WHERE status IN ('running', 'paused')),
           ARRAY(
               SELECT id FROM rollouts r
               WHERE status = 'promoted'
                 AND (plan->>'watch_seconds')::float IS DISTINCT FROM 0
                 AND NOT coalesce((judgement->'watch'->>'over')::boolean, false)
                 AND NOT EXISTS (
                     SELECT 1 FROM rollouts n
                     WHERE n.model = r.model AND n.started_at > r.started_at
                 )
           ),
           EXISTS (SELECT 1 FROM rollout_events e WHERE {UNMEASURED}),
           EXISTS (
               SELECT 1 FROM rollout_events WHERE id > (SELECT announced FROM rollout_lease)
           )
    """
