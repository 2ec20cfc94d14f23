"""How long a change of the routing takes to reach every worker."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.rollouts.records.repository import Event, append

UNMEASURED = """
    e.kind IN ('started', 'advanced', 'promoted', 'rolled_back', 'aborted')
    AND e.at > clock_timestamp() - interval '60 seconds'
    AND NOT EXISTS (
        SELECT 1 FROM rollout_events f
        WHERE f.rollout_id = e.rollout_id AND f.kind = 'flipped'
          AND (f.figures->>'event')::bigint = e.id
    )
    """
"""Which events `e`, after which requests go elsewhere, `measure_flips` has something to do for."""

_MEASURED = text(f"""
    SELECT e.id, e.rollout_id, e.kind, count(w.id) AS workers,
           bool_and(w.version >= (e.figures->>'version')::bigint) AS done,
           greatest(0, extract(epoch FROM max(w.acknowledged_at) - e.at)) AS seconds
    FROM rollout_events e
    CROSS JOIN rollout_workers w
    WHERE {UNMEASURED}
      AND w.seen_at BETWEEN clock_timestamp() - make_interval(secs => :alive)
                        AND clock_timestamp() + make_interval(secs => :alive)
    GROUP BY e.id
    """)


async def measure_flips(connection: AsyncConnection, alive_seconds: float) -> None:
    """Write down how long the last changes took to reach every worker that lives.

    From the moment of the decision to the last worker's first word of having taken it over, by the
    database's clock.
    """
    rows = await connection.execute(_MEASURED, {"alive": alive_seconds})
    for event_id, rollout_id, kind, workers, done, seconds in rows.all():
        if done:
            await append(
                connection,
                rollout_id,
                Event(
                    kind="flipped",
                    actor="controller",
                    sentence=f"Every worker ({workers}) followed {float(seconds):.2f} s after "
                    f"it was {kind.replace('_', ' ')}.",
                    figures={
                        "event": event_id,
                        "seconds": round(float(seconds), 3),
                        "workers": workers,
                    },
                ),
            )
