"""Is the canary worse? A test martingale on the odds ratio, given each block's total of events.

If both arms have the same rate, then of the `s` events of a block the canary's part follows the
hypergeometric distribution, whatever the rate was; under an odds ratio of psi it follows Fisher's
noncentral one. The likelihood ratio of the two is an e-variable, its product over blocks a test
martingale, and so is a mixture over psi. Under any psi below 1 it can only shrink, because the
ratio grows with the canary's part. By Ville's inequality it ever reaches 1/alpha with probability
alpha at most, however often one looks.

The same the other way round says that the canary is *not* worse by more than a margin: smaller odds
ratios against the margin's, under which, and under any larger one, it can only shrink.

Conditioning on totals as in Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data"
(NeurIPS 2022), where one event at a time arrives; the strata share one odds ratio as in Mantel &
Haenszel (1959); e-variables as in Ramdas et al., "Game-Theoretic Statistics and Safe Anytime-Valid
Inference" (Statistical Science 38, 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from rollout_statistics.counts import Block


@dataclass(frozen=True, eq=False)
class Question:
    """What is tested against what.

    Attributes:
        null: the odds ratio that evidence speaks against.
        alternatives: those that it speaks for, equally weighted; all on one side of `null`.
    """

    null: float
    alternatives: tuple[float, ...]

    @cached_property
    def logarithms(self) -> tuple[float, ...]:
        """Return the logarithms of the null and of each alternative."""
        return tuple(math.log(each) for each in (self.null, *self.alternatives))


WORSE = Question(1.0, tuple(1.25 * 1.45**step for step in range(14)))
"""Whether the canary is worse at all: odds ratios of 1.25 to 157."""


@cache
def not_worse(margin: float) -> Question:
    """Return the question whether the canary's odds are less than `margin` times the control's."""
    return Question(margin, tuple(margin / 1.25 / 1.45**step for step in range(8)))


class OddsRatioTest:
    """The running mixture. The larger its value, the more speaks for the alternatives."""

    def __init__(
        self, log_ratios: Sequence[float] | None = None, question: Question = WORSE
    ) -> None:
        count = len(question.alternatives)
        self.log_ratios = [0.0] * count if log_ratios is None else list(log_ratios)
        self._question = question
        if len(self.log_ratios) != count:
            raise ValueError(f"{len(self.log_ratios)} figures, {count} were expected")

    def add(self, block: Block) -> None:
        """Take one block into account. Blocks without events, or of one arm alone, say nothing."""
        change = increments(block, self._question)
        if change is not None:
            self.log_ratios = [a + b for a, b in zip(self.log_ratios, change, strict=True)]

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value.

        Args:
            dispersion: how many times larger the variance is than that of independent requests; see
                `key_spread`. At 1 the test is exact. A power between 0 and 1 of an e-variable is
                one, too, so larger values never make it less safe.
        """
        scaled = [value / dispersion for value in self.log_ratios]
        return log_sum_exp(scaled) - math.log(len(scaled))


def increments(block: Block, question: Question = WORSE) -> tuple[float, ...] | None:
    """Return what a block adds to the logarithm for each alternative; None if it says nothing."""
    canary, control = block.canary, block.control
    total = canary.events + control.events
    if not (canary.trials and control.trials) or total in (0, canary.trials + control.trials):
        return None
    return _increments(question, canary.trials, control.trials, total, canary.events)


@lru_cache(maxsize=16_384)
def _increments(
    question: Question, canary: int, control: int, total: int, events: int
) -> tuple[float, ...]:
    null, *others = question.logarithms
    normalizers = _normalizers(question, canary, control, total)
    return tuple(
        events * (log_psi - null) - normalizer
        for log_psi, normalizer in zip(others, normalizers, strict=True)
    )


def log_sum_exp(logarithms: Sequence[float]) -> float:
    """Return log(sum(exp(x))), without overflow."""
    largest = max(logarithms)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in logarithms))


@lru_cache(maxsize=4096)
def _normalizers(question: Question, canary: int, control: int, total: int) -> tuple[float, ...]:
    """Return, for each alternative, the logarithm of its likelihoods' sum over that of the null."""
    parts = _log_hypergeometric(canary, control, total)
    null, *others = (
        log_sum_exp([log_p + x * log_psi for x, log_p in parts]) for log_psi in question.logarithms
    )
    return tuple(each - null for each in others)


def _log_hypergeometric(canary: int, control: int, total: int) -> list[tuple[int, float]]:
    """Return each possible number of events in the canary with its log probability."""
    if total == 1:
        requests = canary + control
        return [(0, math.log(control / requests)), (1, math.log(canary / requests))]
    everything = _log_choose(canary + control, total)
    return [
        (x, _log_choose(canary, x) + _log_choose(control, total - x) - everything)
        for x in range(max(0, total - control), min(total, canary) + 1)
    ]


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
