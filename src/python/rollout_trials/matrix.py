"""Every fault on real engines, against what the simulation promises."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import NormalDist

from rich.console import Console

from rollout_statistics.policy import Policy
from rollout_statistics.simulation.scenarios import Scenario
from rollout_statistics.simulation.study import run_scenario
from rollout_statistics.simulation.traffic import Rates, Traffic
from rollout_trials.api import Api
from rollout_trials.engines import CpuRuntime, Engine, SupervisedVllm
from rollout_trials.faults import Sabotage
from rollout_trials.rule import rule_of
from rollout_trials.site import running_site
from rollout_trials.trial import Result, Site, Trial

USERS = 200
SHARE = 0.5
STEPS = [{"percent": 100 * SHARE, "bake_seconds": 3600}]
HEALTHY_STEPS = [{"percent": 100 * SHARE, "bake_seconds": 10}]
RUNS = 200
MOST_REQUESTS = 20_000


def trials(delay: float, *, supervised: bool) -> list[Trial]:
    """Return what is tried.

    Args:
        delay: seconds that make a first token slow.
        supervised: whether the new engine has a supervisor that can report.
    """
    faulty = {"steps": STEPS}
    found = [
        Trial("healthy", {"steps": HEALTHY_STEPS}, None),
        Trial("5% errors", faulty, Sabotage("errors", 0.05)),
        Trial("10% in-band errors", faulty, Sabotage("in-band errors", 0.1)),
        Trial("10% truncated streams", faulty, Sabotage("truncation", 0.1)),
        Trial(
            f"first tokens {1000 * delay:.0f} ms later",
            faulty,
            Sabotage("slow first tokens", 1.0, delay),
        ),
        Trial("engine killed (SIGKILL)", faulty, "killed"),
        Trial("engine stalled (SIGSTOP)", faulty, "stalled"),
    ]
    if supervised:
        found.append(Trial("out of memory, reported", faulty, "out of memory"))
    return found


async def matrix(
    console: Console,
    folder: Path,
    *,
    api_pex: Path,
    runtime_pex: Path,
    vllm: Path | None,
    only: str,
) -> int:
    """Try everything, print the table as Markdown, and return 0 if all ended as it should."""
    api = Api(api_pex, folder)

    def engine(name: str) -> Engine:
        if vllm is None:
            return CpuRuntime(name, runtime_pex, folder)
        return SupervisedVllm(name, vllm.resolve(), Path("src/python").resolve(), folder)

    old, new = engine("old"), engine("new")
    fine = True
    async with running_site(
        *(api, old, new),
        users=USERS,
        tokens=3,
        say=lambda what: console.print(f"starting {what}"),
    ) as site:
        print(_described(site, new))
        # An engine that answers one request at a time makes first tokens wait for whole answers.
        delay = max(0.05, 2 * site.answer_seconds)
        chosen = [
            each for each in trials(delay, supervised=vllm is not None) if chosen_by(only, each)
        ]
        print(_row("the new stack", "end", "because of", "seconds", "requests", *_MORE), flush=True)
        print(_row(*["---"] * 3, *["---:"] * 7), flush=True)
        for trial in chosen:
            result = await site.run(trial, lambda rollout: None, "whoever ran this")
            console.print(f"{trial.title}: {result.sentence}")
            print(_line(result), flush=True)
            fine = fine and result.right
    return 0 if fine else 1


def chosen_by(only: str, trial: Trial) -> bool:
    """Return whether a title contains one of some words, which commas separate."""
    return any(word in trial.title for word in only.split(","))


def _described(site: Site, engine: Engine) -> str:
    load = f"{USERS} keys, {site.users.per_second:.1f} requests a second"
    return f"Old and new: {engine.kind}. {load}.\n"


_MORE = ("promised: median / 90%", "good answers", "errors seen", "not of the fault", "flip, s")


def _line(result: Result) -> str:
    return _row(
        result.trial.title,
        result.end.replace("_", " "),
        ", ".join(result.rules) or "-",
        f"{result.seconds:.1f}",
        f"{result.requests}",
        promise(result),
        f"{result.answers}",
        f"{sum(result.faults.values())}",
        f"{result.unexplained}",
        f"{result.flip_seconds:.2f}",
    )


def promise(result: Result) -> str:
    """Return the simulation's requests to detection, for the rates that there were."""
    if result.trial.fault is None:
        return "-"
    if result.rates is None:
        return "5 s"
    rate, canary_rate = result.rates
    policy = Policy(warmup_seconds=0)
    scenario = Scenario("", _traffic(result, rate, canary_rate), MOST_REQUESTS)
    with ProcessPoolExecutor(1) as executor:
        outcome = run_scenario(scenario, range(RUNS), executor, policy=policy)
    least = policy.min_requests
    parts = [outcome.requests(0.5), outcome.requests(0.9)]
    return " / ".join("never" if part is None else f"{max(part, least):,}" for part in parts)


def _traffic(result: Result, rate: float, canary_rate: float) -> Traffic:
    """Return simulated traffic with the rates of the signal that there were."""
    if rule_of(result.trial.fault) == "slow first tokens":
        return Traffic(SHARE, keys=USERS, slower=_ratio(canary_rate))
    stable, candidate = max(rate, 1e-4), min(canary_rate, 0.9)
    return Traffic(SHARE, Rates(failed=stable), Rates(failed=candidate), keys=USERS)


def _ratio(slow: float) -> float:
    """Return how many times as slow the simulation's engine is if so many requests are slow."""
    normal = NormalDist()
    further = normal.inv_cdf(0.95) - normal.inv_cdf(1 - min(max(slow, 1e-4), 0.9))
    return math.exp(Traffic(SHARE).sigma * further)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
