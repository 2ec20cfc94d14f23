"""Is the canary worse? A test martingale on the odds ratio, given each block's total of events.

If both arms have the same rate, then of the `s` events of a block the canary's part follows the
hypergeometric distribution, whatever the rate was; under an odds ratio of psi it follows Fisher's
noncentral one. The likelihood ratio of the two is an e-variable, its product over blocks a test
martingale, and so is a mixture over psi. Under any psi below 1 it can only shrink, because the
ratio grows with the canary's part. By Ville's inequality it ever reaches 1/alpha with probability
alpha at most, however often one looks.

Conditioning on totals as in Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data"
(NeurIPS 2022), where one event at a time arrives; the strata share one odds ratio as in Mantel &
Haenszel (1959); e-variables as in Ramdas et al., "Game-Theoretic Statistics and Safe Anytime-Valid
Inference" (Statistical Science 38, 2023).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from rollout_statistics.counts import Block

ODDS_RATIOS = tuple(1.25 * 1.45**step for step in range(14))
"""The alternatives that the mixture covers, equally weighted: 1.25 to 157."""

_LOG_ODDS_RATIOS = tuple(math.log(value) for value in ODDS_RATIOS)


class OddsRatioTest:
    """The running mixture. The larger its value, the worse the canary."""

    def __init__(self, log_ratios: Sequence[float] | None = None) -> None:
        self.log_ratios = [0.0] * len(ODDS_RATIOS) if log_ratios is None else list(log_ratios)
        if len(self.log_ratios) != len(ODDS_RATIOS):
            raise ValueError(f"{len(self.log_ratios)} figures, {len(ODDS_RATIOS)} were expected")

    def add(self, block: Block) -> None:
        """Take one block into account. Blocks without events, or of one arm alone, say nothing."""
        canary, control = block.canary, block.control
        total = canary.events + control.events
        if not (canary.trials and control.trials) or total in (0, canary.trials + control.trials):
            return
        normalizers = _normalizers(canary.trials, control.trials, total)
        for index, log_psi in enumerate(_LOG_ODDS_RATIOS):
            self.log_ratios[index] += canary.events * log_psi - normalizers[index]

    def log_e(self, dispersion: float = 1.0) -> float:
        """Return the logarithm of the e-value.

        Args:
            dispersion: how many times larger the variance is than that of independent requests; see
                `key_spread`. At 1 the test is exact. A power between 0 and 1 of an e-variable is
                one, too, so larger values never make it less safe.
        """
        scaled = [value / dispersion for value in self.log_ratios]
        return log_sum_exp(scaled) - math.log(len(scaled))


def log_sum_exp(logarithms: Sequence[float]) -> float:
    """Return log(sum(exp(x))), without overflow."""
    largest = max(logarithms)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in logarithms))


@lru_cache(maxsize=4096)
def _normalizers(canary: int, control: int, total: int) -> tuple[float, ...]:
    """Return, for each odds ratio, the logarithm of what the likelihoods sum to."""
    parts = _log_hypergeometric(canary, control, total)
    return tuple(
        log_sum_exp([log_p + x * log_psi for x, log_p in parts]) for log_psi in _LOG_ODDS_RATIOS
    )


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
