"""One rollout with one fault: what happened, how soon, and what users saw of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rollout_trials.api import MODEL, Api
from rollout_trials.engines import Engine
from rollout_trials.faults import EngineFault, Sabotage
from rollout_trials.proxy import Proxy
from rollout_trials.rule import Rule, rates_of, rule_of, rules_of
from rollout_trials.users import Users
from rollout_trials.waiting import until

END_SECONDS = 900.0
"""A rollout that is not decided by then is aborted."""

POLL_SECONDS = 0.1
SETTLE_SECONDS = 3.0
"""How long a healthy rollout runs before something is done to its engine."""

ENDED = ("promoted", "rolled_back")
READY = "Ready to be promoted"


@dataclass(frozen=True, slots=True)
class Trial:
    """A rollout to be tried.

    Attributes:
        title: what is wrong, in a few words.
        plan: without the model.
        fault: None for a healthy one.
    """

    title: str
    plan: Mapping[str, Any]
    fault: Sabotage | EngineFault | None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it.

    Attributes:
        end: `promoted` or `rolled_back`; `aborted` if it was not decided in time.
        sentence: the API's own words.
        seconds: from the fault, or the start of a healthy rollout, to the decision.
        requests: that the new stack had finished meanwhile.
        answers: that users got meanwhile.
        faults: what users saw that was no good answer, from the fault until the new stack had no
            request any more, by kind.
        unexplained: those of them that the faulty stack did not produce.
        flip_seconds: until every worker had followed.
        rules: by which it was rolled back.
        rates: of the signal that decided, on the stable stack and on the candidate; None if it was
            none.
    """

    trial: Trial
    end: str
    sentence: str
    seconds: float
    requests: int
    answers: int
    faults: Mapping[str, int]
    unexplained: int
    flip_seconds: float
    rules: tuple[Rule, ...]
    rates: tuple[float, float] | None

    @property
    def right(self) -> bool:
        """Whether it ended as its fault demands, by the rule that the fault is about, and cost no
        more; or was promoted without one."""
        if self.unexplained:
            return False
        rule = rule_of(self.trial.fault)
        if rule is None:
            return self.end == "promoted"
        return self.end == "rolled_back" and rule in self.rules


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that runs.

    Attributes:
        proxy: in front of the new engine.
        answer_seconds: that the new engine takes for an answer when it has nothing else to do.
    """

    api: Api
    users: Users
    proxy: Proxy
    new: Engine
    answer_seconds: float

    async def run(
        self, trial: Trial, told: Callable[[Any], None], promoter: str, *, last: bool = False
    ) -> Result:
        """Run a trial to its end, and leave both stacks healthy.

        Args:
            told: called with the rollout now and then.
            promoter: the person who answers for a promotion without evidence of the gates.
            last: whether a promotion may stay, as no other trial needs the stable stack.

        Raises:
            TrialError: something that has to happen did not.
        """
        await until(lambda: self.api.engine_is_up("new"), 60, "the new engine is not in use")
        fault = trial.fault
        plan = {"model": MODEL, "title": trial.title, **trial.plan}
        rollout = (await self.api.post("/rollouts", plan))["id"]
        if isinstance(fault, Sabotage):
            self.proxy.sabotage = fault
        begun = _Mark(self)
        await self.api.post(f"/rollouts/{rollout}/start", {"reason": trial.title})
        try:
            if fault is not None and not isinstance(fault, Sabotage):
                await asyncio.sleep(SETTLE_SECONDS)
                begun = _Mark(self)
                await self.new.hurt(fault)
            decision = await self._decision(rollout, told, promoter)
            seconds = time.monotonic() - begun.at
            outcomes = begun.outcomes_since()
            answers = self.users.seen.answers - begun.answers
            flip = await self._flip(rollout, decision["id"])
        finally:
            self.proxy.sabotage = None
            await self.new.heal()
        if decision["kind"] == "promoted" and not last:
            await self.api.post(f"/rollouts/{rollout}/rollback", {"reason": "for the next trial"})
        if not last:
            await self._quiet()
        faults, unexplained = begun.faults_since(everything=not isinstance(fault, Sabotage))
        return Result(
            trial,
            end=decision["kind"],
            sentence=decision["sentence"],
            seconds=seconds,
            requests=len(outcomes),
            answers=answers,
            faults=faults,
            unexplained=unexplained,
            flip_seconds=flip,
            rules=rules_of(decision, outcomes),
            rates=rates_of(decision),
        )

    async def _decision(
        self, rollout: str, told: Callable[[Any], None], promoter: str
    ) -> dict[str, Any]:
        """Wait for the end, promote by name what only lacks the gates' evidence, and give up."""
        asked = time.monotonic()
        while time.monotonic() - asked < END_SECONDS:
            events = (await self.api.get(f"/rollouts/{rollout}/events"))["data"]
            told(await self.api.get(f"/rollouts/{rollout}"))
            for event in events:
                if event["kind"] in ENDED:
                    return dict(event)
            if any(e["kind"] == "held" and e["sentence"].startswith(READY) for e in events):
                override = {
                    "override_by": promoter,
                    "override_reason": "a trial has no upgrade to give evidence of",
                }
                await self.api.post(f"/rollouts/{rollout}/promote", override)
            await asyncio.sleep(POLL_SECONDS)
        said = (await self.api.get(f"/rollouts/{rollout}"))["judgement"]["reason"]
        await self.api.post(f"/rollouts/{rollout}/abort", {"reason": "it took too long"})
        events = (await self.api.get(f"/rollouts/{rollout}/events"))["data"]
        [aborted] = [event for event in events if event["kind"] == "aborted"]
        return {**aborted, "sentence": f"Not decided within {END_SECONDS:.0f} s: {said}"}

    async def _flip(self, rollout: str, decision: int) -> float:
        seconds: list[float] = []

        async def measured() -> bool:
            for event in (await self.api.get(f"/rollouts/{rollout}/events"))["data"]:
                if event["kind"] == "flipped" and event["figures"]["event"] == decision:
                    seconds.append(float(event["figures"]["seconds"]))
            return bool(seconds)

        await until(measured, 60, "not every worker has followed")
        return seconds[0]

    async def _quiet(self) -> None:
        """Wait until no request of the new stack is under way."""

        async def quiet() -> bool:
            upstreams = (await self.api.get("/upstreams"))["data"]
            return all(each["outstanding"] == 0 for each in upstreams if each["name"] == "new")

        await until(quiet, 90, "requests to the new engine do not end")
        await asyncio.sleep(1.0)  # users and the log hear of the last ones


class _Mark:
    """A moment, to be compared with later ones."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.at = time.monotonic()
        self.answers = site.users.seen.answers
        self._faults = set(site.users.seen.faults)
        self._lines = len(site.api.access_lines())

    def outcomes_since(self) -> list[str]:
        """Return what became of the requests that the new stack has finished."""
        lines = self._site.api.access_lines()[self._lines :]
        return [line["outcome"] for line in lines if line["stack"] == "candidate"]

    def faults_since(self, *, everything: bool) -> tuple[dict[str, int], int]:
        """Return what users saw, by kind, and how much of it the new stack did not produce.

        Args:
            everything: whether whatever the new stack did is explained by the fault; if not, only
                what the proxy put in is.
        """
        seen = self._site.users.seen.faults
        fresh = {name: kind for name, kind in seen.items() if name not in self._faults}
        stacks = {line["request_id"]: line["stack"] for line in self._site.api.access_lines()}
        explained = {
            name
            for name in fresh
            if stacks.get(name) == "candidate" and (everything or name in self._site.proxy.spoilt)
        }
        return dict(Counter(fresh.values())), len(fresh) - len(explained)
