"""What the controller does with rollouts that are promoted and still watched.

What was counted since stays in memory only: a successor begins its watch with what is reported from
then on, and by the same bar, since that is part of the rollout's last judgement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from querylake_api.rollouts.judging.sentences import duration
from querylake_api.rollouts.judging.watch import PromotionWatch
from querylake_api.rollouts.records.lifecycle import Action
from querylake_api.rollouts.records.repository import (
    Event,
    Rollout,
    append,
    change,
    find,
    forget_reports,
    next_version,
    reported,
)
from querylake_api.rollouts.records.transition import as_sentence, transition
from rollout_statistics.outcomes import Kind

LATE_SECONDS = 60.0
"""A watch that nobody held until so long after its end was none, and nothing is said of it."""

WayBack = Literal["open", "blocked", "gone"]
"""`blocked`: no engine of the stable stack could take the traffic now. `gone`: the configuration
does not have both stacks any more, so that there is nowhere to go back to."""

BLOCKED = "no engine of the stable stack could take the traffic"


class AfterPromotion:
    """The watches of this process.

    Args:
        way_back: tells whether the stable stack of a rollout could take everything.
        actor: whose decisions these are.
    """

    def __init__(self, way_back: Callable[[Rollout], WayBack], actor: str) -> None:
        self._way_back = way_back
        self._actor = actor
        self._watches: dict[str, PromotionWatch] = {}

    def keep(self, rollouts: Collection[str]) -> None:
        """Forget all watches but these."""
        self._watches = {name: each for name, each in self._watches.items() if name in rollouts}

    async def look(
        self, connection: AsyncConnection, rollout_id: str, alarms: Sequence[str]
    ) -> None:
        """Take in what was counted; go back, or end the watch, if it is time to."""
        rollout = await find(connection, rollout_id, lock=True)
        if rollout is None or not rollout.watched or rollout.ended_at is None:
            return
        # By the clock that wrote when it was promoted.
        now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
        since = (now - rollout.ended_at).total_seconds()
        left = rollout.plan.watch_seconds - since
        counts = await _counted(connection, rollout_id)
        watch = self._watches.get(rollout_id)
        if watch is None:
            # What was reported until here is of the last step, and was judged there.
            counts.clear()
            watch = self._watches[rollout_id] = PromotionWatch(rollout.judgement)
        reasons = [*alarms, *watch.look(counts)]
        way_back = self._way_back(rollout)
        shown = {**watch.document(), "left_seconds": round(max(0.0, left)), "alarms": reasons}
        if left <= 0 or way_back == "gone":
            await self._end(connection, rollout, shown, late=-left)
        elif reasons and way_back == "open":
            await self._go_back(connection, rollout, shown, since)
        else:
            await self._go_on(connection, rollout, shown, watch.requests)

    async def _go_back(
        self, connection: AsyncConnection, rollout: Rollout, shown: dict[str, Any], since: float
    ) -> None:
        said = f"{duration(since)} after the promotion, {'; '.join(shown['alarms'])}"
        await _show(connection, rollout, said, {**shown, "over": True})
        await transition(
            connection,
            rollout.id,
            Action.ROLLBACK,
            actor=self._actor,
            reason=said,
            figures={"watch": shown, "alarms": shown["alarms"]},
        )

    async def _go_on(
        self, connection: AsyncConnection, rollout: Rollout, shown: dict[str, Any], requests: int
    ) -> None:
        """Show how it stands; say once that it should go back and cannot."""
        left = duration(shown["left_seconds"])
        if not shown["alarms"]:
            said = (
                f"watched since the promotion: {requests:,} requests, no alarm and no clear "
                f"errors; {left} left, in which it goes back by itself"
            )
            await _show(connection, rollout, said, {**shown, "over": False, "blocked": False})
            return
        said = f"should go back, but {BLOCKED}: {'; '.join(shown['alarms'])}"
        known = (rollout.judgement or {}).get("watch", {}).get("blocked", False)
        await _show(connection, rollout, said, {**shown, "over": False, "blocked": True})
        if not known:
            event = Event("held", self._actor, as_sentence(said), {"watch": shown})
            await append(connection, rollout.id, event)

    async def _end(
        self, connection: AsyncConnection, rollout: Rollout, shown: dict[str, Any], late: float
    ) -> None:
        if late < 0:
            said = (
                "the watch after the promotion ended early: the configuration does not have both "
                "stacks any more"
            )
        elif shown["alarms"]:
            said = (
                f"the watch of {duration(rollout.plan.watch_seconds)} after the promotion is over, "
                f"but not all is well: {'; '.join(shown['alarms'])}"
            )
        else:
            said = (
                f"watched for {duration(rollout.plan.watch_seconds)} after the promotion: no alarm "
                "and no clear errors. Nothing goes back by itself any more"
            )
        if late >= LATE_SECONDS:
            said = "not watched any more: the time for that has passed"
        # The version makes every worker read it again, and stop to report.
        version = await next_version(connection)
        await _show(connection, rollout, said, {**shown, "over": True}, version=version)
        if late < LATE_SECONDS:
            event = Event("watched", self._actor, as_sentence(said), {"watch": shown})
            await append(connection, rollout.id, event)


async def _counted(connection: AsyncConnection, rollout_id: str) -> Counter[Kind]:
    """Return what workers have counted since the last look, and forget their reports."""
    reports = await reported(connection, rollout_id, ())
    await forget_reports(connection, [each.row for each in reports])
    counts: Counter[Kind] = Counter()
    for each in reports:
        counts.update(each.counts)
    return counts


async def _show(
    connection: AsyncConnection, rollout: Rollout, said: str, watch: dict[str, Any], **values: int
) -> None:
    """Put how the watch stands beside the figures of the last judgement."""
    usual = {"next": "", "signals": [], "listed_requests": 0}
    judgement = {
        **usual,
        **(rollout.judgement or {}),
        "reason": as_sentence(said),
        "watch": watch,
    }
    await change(connection, rollout.id, judgement=judgement, **values)
