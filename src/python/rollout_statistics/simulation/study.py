"""The tables of `docs/rollout-statistics.md`, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from rollout_statistics.policy import SIGNALS, Policy, Signal
from rollout_statistics.simulation.rules import rules
from rollout_statistics.simulation.traffic import Run, Traffic, slower

SHARES = (0.01, 0.1, 0.5)
CHOSEN = "odds ratio, guarded"
COMPARED = (
    CHOSEN,
    "odds ratio, dispersion only",
    "odds ratio",
    "half-plane, guarded",
    "half-plane",
    "Gaussian mixture",
    "Argo (no failure allowed)",
    "Flagger (5 failures)",
)

_SLOW = 0.05
_RATES: dict[Signal, float] = {"errors": 0.01, "first_token": _SLOW, "gaps": _SLOW}


def _forgiven(signal: Signal) -> float:
    return 1.0 if signal == "errors" else Policy().latency_ratio


@dataclass(frozen=True, slots=True)
class Scenario:
    """One line of a table.

    Attributes:
        limit: the fixed threshold that an operator who knew the usual rate would have set.
        requests: of both arms, after which a run ends.
    """

    name: str
    traffic: Traffic
    alpha: float
    limit: float
    requests: int


@dataclass(frozen=True, slots=True)
class Together:
    """One line of the table in which all signals watch at once, as in the product.

    Attributes:
        traffics: for each signal. Each draws its own keys: signals that err together would err in
            fewer runs.
        requests: of both arms, after which a run ends.
    """

    name: str
    traffics: dict[Signal, Traffic]
    requests: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rule fared in one scenario, over all runs.

    Attributes:
        requests: of the canary, at the roll back, in order; shorter than `runs` if some had none.
    """

    rule: str
    runs: int
    requests: tuple[int, ...]

    @property
    def rolled_back(self) -> float:
        """Return the part of the runs that were rolled back."""
        return len(self.requests) / self.runs

    def quantile(self, part: float) -> int | None:
        """Return by how many requests of the canary this part of the runs was rolled back."""
        index = int(self.runs * part)
        return self.requests[index] if index < len(self.requests) else None


def sound_canaries(requests: int) -> Iterator[Scenario]:
    """Yield what must not be rolled back: two stacks that are the same."""
    # Twice what the product uses: rarer events would take more runs to count.
    alpha = 2 * Policy().alphas["errors"]
    for name, traffic in _sound_traffic("errors").items():
        yield Scenario(name, traffic, alpha, 0.02, requests)


def sound_together(requests: int) -> Iterator[Together]:
    """Yield the same with all signals at once, at the alphas of the product."""
    by_signal = {signal: _sound_traffic(signal) for signal in SIGNALS}
    for name in by_signal["errors"]:
        yield Together(name, {signal: by_signal[signal][name] for signal in SIGNALS}, requests)


def _sound_traffic(signal: Signal) -> dict[str, Traffic]:
    """Return what a sound canary may meet, by name."""
    rate = _RATES[signal]
    base = Traffic(rate, rate, 0.1, forgiven=_forgiven(signal))
    kinds = {
        "independent": base,
        "bursts in both arms": replace(base, bursts=True),
        "failures retried 4 times": replace(base, retries=4),
        "keys differ (variance 2)": replace(base, spread=2),
        "2% of keys fail at 30%": replace(base, bad_keys=0.02),
        "100 keys that differ": replace(base, spread=2, keys=100),
    }
    return {
        f"{name}, {share:.0%}": replace(traffic, share=share)
        for name, traffic in kinds.items()
        for share in SHARES
    }


def faulty_canaries(requests: int) -> Iterator[Scenario]:
    """Yield what must be found, and soon."""
    policy = Policy()
    for rate, faulty in ((0.01, 0.05), (0.005, 0.02)):
        for share in SHARES:
            yield Scenario(
                f"errors {rate:.1%} to {faulty:.0%}, {share:.0%}",
                Traffic(rate, faulty, share),
                policy.alphas["errors"],
                2 * rate,
                requests,
            )
    for ratio in (1.3, 2.0):
        yield from _slower_canaries(ratio, requests)


def forgiven_canaries(requests: int) -> Iterator[Scenario]:
    """Yield what is slower, but not by more than a plan allows."""
    for ratio in (1.1, 1.2):
        yield from _slower_canaries(ratio, requests)


def _slower_canaries(ratio: float, requests: int) -> Iterator[Scenario]:
    for share in SHARES:
        yield Scenario(
            f"first token x{ratio:g}, {share:.0%}",
            Traffic(_SLOW, slower(_SLOW, ratio), share, forgiven=_forgiven("first_token")),
            Policy().alphas["first_token"],
            2 * _SLOW,
            requests,
        )


def run_scenario(
    scenario: Scenario, rule_names: Sequence[str], runs: int, executor: Executor
) -> list[Outcome]:
    """Run a scenario many times; run number N has the seed N."""
    jobs = [(scenario, tuple(rule_names), seed) for seed in range(runs)]
    ends = list(executor.map(_run, jobs, chunksize=max(1, runs // 40)))
    return [
        Outcome(name, runs, tuple(sorted(end[name] for end in ends if name in end)))
        for name in rule_names
    ]


def run_together(scenario: Together, runs: int, executor: Executor) -> dict[Signal, set[int]]:
    """Run a scenario many times, and return which runs each signal rolled back."""
    jobs = [
        (scenario, signal, seed, len(SIGNALS) * seed + number)
        for number, signal in enumerate(SIGNALS)
        for seed in range(runs)
    ]
    ends = list(executor.map(_run_signal, jobs, chunksize=max(1, runs // 20)))
    return {
        signal: {
            seed
            for (_, its_signal, seed, _), end in zip(jobs, ends, strict=True)
            if end and its_signal == signal
        }
        for signal in SIGNALS
    }


def _run_signal(job: tuple[Together, Signal, int, int]) -> bool:
    """Return whether the chosen rule rolled back for a signal."""
    together, signal, _, seed = job
    traffic, alpha = together.traffics[signal], Policy().alphas[signal]
    scenario = Scenario(together.name, traffic, alpha, 1.0, together.requests)
    return CHOSEN in _run((scenario, (CHOSEN,), seed))


def _run(job: tuple[Scenario, tuple[str, ...], int]) -> dict[str, int]:
    """Return the canary's requests at the moment that each rule rolled back."""
    scenario, rule_names, seed = job
    run = Run(scenario.traffic, random.Random(seed))
    make = rules(limit=scenario.limit)
    watching = {name: make[name](run, scenario.alpha) for name in rule_names}
    ends: dict[str, int] = {}
    for second in run.seconds():
        for name in [name for name, rule in watching.items() if rule.rolls_back(second)]:
            ends[name] = run.canary.trials
            del watching[name]
        if not watching or run.control.trials + run.canary.trials >= scenario.requests:
            break
    return ends
