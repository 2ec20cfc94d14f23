"""What needs no statistics: an engine that is dead, out of memory, unreachable, or stuck. Pure.

Each worker looks at its own facts, since requests fail where they are made, and tells the
controller.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from querylake_api.rollouts.plan import Judging
from querylake_api.upstreams.facts import UpstreamFacts


def alarms(
    facts: Iterable[UpstreamFacts], before: Mapping[str, int], since: float, judging: Judging
) -> list[str]:
    """Return a sentence for every reason to roll back at once.

    Args:
        facts: of the candidate's engines.
        before: how often each had been restarted when the rollout began here.
        since: when that was, in Unix seconds.
    """
    return [
        sentence
        for each in facts
        if (sentence := _alarm(each, before.get(each.name, each.restarts), since, judging))
    ]


def _alarm(facts: UpstreamFacts, restarts: int, since: float, judging: Judging) -> str | None:
    name = f"the candidate's engine {facts.name!r}"
    last = facts.last_exit
    if last is not None and last.out_of_memory and last.at >= since:
        return f"{name} ran out of memory: {last.detail}"
    if facts.restarts > restarts:
        return f"{name} was restarted while the rollout ran"
    if facts.condition == "down":
        return f"{name} is down: {facts.detail}"
    if facts.condition == "stalled" or facts.stalled_seconds >= judging.stall_seconds:
        return (
            f"{name} has requests and made no token for {facts.stalled_seconds:.0f} s, whatever "
            "its health endpoint says"
        )
    if facts.connect_failures >= judging.max_connect_failures:
        return f"{name} could not be connected to {facts.connect_failures} times in a row"
    return None


def blind_spots(facts: Iterable[UpstreamFacts], supervised: frozenset[str]) -> list[str]:
    """Return a clause for everything that should be known of the candidate and is not.

    What is not known is not fine: no step advances until it is.

    Args:
        supervised: engines whose supervisor is configured.
    """
    blind = []
    for each in facts:
        if each.condition == "unknown":
            blind.append(f"{each.name!r} has not been looked at")
        elif each.name in supervised and each.requests_running is None:
            blind.append(f"neither {each.name!r} nor its supervisor tells its progress")
        elif each.condition in ("starting", "draining"):
            blind.append(f"{each.name!r} is {each.condition}")
    return blind
