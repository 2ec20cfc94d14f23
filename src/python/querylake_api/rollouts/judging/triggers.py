"""What needs no statistics: an engine that is dead, out of memory, unreachable, or stuck. Pure.

Each worker looks at its own facts, since requests fail where they are made. Both stacks are judged
by the same rule: what an engine of the stable stack shows at the same time is an incident of both
and no reason to prefer one. A crash or a restart of the candidate cannot be undone and stays one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from querylake_api.rollouts.records.plan import Judging
from querylake_api.upstreams.facts import LastExit, UpstreamFacts

Condition = Literal["down", "stalled", "no token", "no connection"]

STALL_SECONDS = (2.5, 10.0)
"""Without `stall_seconds`: how long an engine that has requests may stand still, at least and at
most. Between them it is twice the longest standstill that the stable stack shows meanwhile, or
twice the longest time that one of its requests lately waited for a token: reading a long prompt, or
compiling for one, holds both stacks up. A busy stack shows that in its requests' waits alone."""

SILENT_SECONDS = 1.0
"""A health endpoint that has said nothing for as long is silent, and not merely being asked."""


class EngineWatch:
    """What one worker has seen of the engines of one rollout since it began here.

    No clock is read: what is compared is one look with another.
    """

    def __init__(self) -> None:
        self._restarts: dict[str, int] = {}
        self._exits: dict[str, LastExit | None] = {}
        self._final: dict[str, str] = {}
        self._standstill = 0.0

    def alarms(
        self,
        stable: Collection[UpstreamFacts],
        candidates: Iterable[UpstreamFacts],
        judging: Judging,
        longest_wait: float = 0.0,
    ) -> list[str]:
        """Take a look, and return a sentence for every reason to roll back at once.

        Args:
            longest_wait: seconds that a request to the stable stack lately waited for a token.
        """
        self._standstill = max([self._standstill, *(each.stalled_seconds for each in stable)])
        limit = judging.stall_seconds or stall_limit(max(self._standstill, longest_wait))
        of_both = {_condition(each, limit, judging) for each in stable}
        found = []
        for each in candidates:
            name = f"the candidate's engine {each.name!r}"
            self._remember(each, name)
            final = self._final.get(each.name)
            condition = _condition(each, limit, judging)
            if final is not None:
                found.append(final)
            elif condition is None or condition in of_both or _silent_alike(each, stable):
                continue
            else:
                found.append(_sentence(condition, each, name, limit, judging))
        return found

    def _remember(self, facts: UpstreamFacts, name: str) -> None:
        """Keep what cannot be undone: an engine that has ended."""
        restarts = self._restarts.get(facts.name, facts.restarts)
        # After a reload of the configuration, restarts are counted from 0 again.
        self._restarts[facts.name] = facts.restarts
        last = facts.last_exit
        if last is not None and last != self._exits.setdefault(facts.name, last):
            self._exits[facts.name] = last
            if last.out_of_memory:
                self._final[facts.name] = f"{name} ran out of memory: {last.detail}"
        elif last is None:
            self._exits.setdefault(facts.name, None)
        if facts.restarts > restarts:
            self._final.setdefault(facts.name, f"{name} was restarted while the rollout ran")


def stall_limit(standstill: float) -> float:
    """Return how long the candidate may stand still.

    Args:
        standstill: the longest that the stable stack has shown, or a request to it has waited.
    """
    least, most = STALL_SECONDS
    return min(most, max(least, 2 * standstill))


def _silent_alike(candidate: UpstreamFacts, stable: Iterable[UpstreamFacts]) -> bool:
    """Return whether the candidate is down for a silence that the stable stack shows too.

    That engine is given more time before it is called down, and a few looks fail before that. It
    need not have been silent for as long: the looks at both do not begin at the same moment.
    """
    silent = candidate.silent_seconds
    return (
        candidate.condition == "down"
        and silent >= SILENT_SECONDS
        and any(each.silent_seconds >= silent / 2 for each in stable)
    )


def _condition(facts: UpstreamFacts, limit: float, judging: Judging) -> Condition | None:
    """Return what is wrong with an engine now."""
    if facts.condition == "down":
        return "down"
    if facts.condition == "stalled":
        return "stalled"
    if facts.stalled_seconds >= limit:
        return "no token"
    if facts.connect_failures >= judging.max_connect_failures:
        return "no connection"
    return None


def _sentence(
    condition: Condition, facts: UpstreamFacts, name: str, limit: float, judging: Judging
) -> str:
    """Return the sentence. It names limits, and not what was counted since, so that it stays the
    same while the fault lasts, and workers that see the same fault say the same."""
    if condition in ("down", "stalled"):
        return f"{name} is {condition}: {facts.detail}"
    if condition == "no token":
        return (
            f"{name} has requests and made no token for {limit:.1f} s or longer, whatever its "
            "health endpoint says"
        )
    times = f"{judging.max_connect_failures} times or more in a row"
    return f"{name} could not be connected to {times}"


def blind_spots(
    facts: Iterable[UpstreamFacts], supervised: Collection[str], telling: Collection[str]
) -> list[str]:
    """Return a clause for everything that should be known of the candidate and is not.

    What is not known is not fine: no step advances until it is.

    Args:
        supervised: engines whose supervisor is configured.
        telling: engines that have told of their work before.
    """
    blind = []
    for each in facts:
        if each.condition == "unknown":
            blind.append(f"{each.name!r} has not been looked at")
        elif each.name in supervised and not each.supervisor_told:
            blind.append(f"the supervisor of {each.name!r} does not answer")
        elif each.name in {*supervised, *telling} and each.requests_running is None:
            blind.append(f"nobody tells the progress of {each.name!r}")
        elif each.condition in ("starting", "draining"):
            blind.append(f"{each.name!r} is {each.condition}")
    return blind
