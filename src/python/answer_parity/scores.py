"""Teacher forcing: text of the old engine, token by token, scored by both engines.

For each token of a text the old engine has made, both say how likely they held it. The mean over
tokens sampled from the old engine of

    r - 1 - log r,   r = p_new(token) / p_old(token)

estimates the KL divergence of the new engine's distribution from the old one's, in nats a token. It
is never below zero and varies less than the plain mean of -log r, whose expectation is the same
(Schulman, "Approximating KL Divergence", 2020, estimator k3).

Tokens of one prompt hang together, so the prompt is the unit: the standard error of the ratio of
sums is the one for clusters (Cochran, "Sampling Techniques", 1977, section 6.3), and its interval
uses Student's t with one degree of freedom less than there are prompts. Divergences of prompts are
skewed: a few hard ones hold most of the sum, and with tens of prompts that interval is too narrow.
The interval is therefore the hull of it and of Cox's for the mean of a log-normal variable (Land,
"An evaluation of approximate confidence interval estimation methods for lognormal means",
Technometrics 14, 1972). `tests/answer_parity` holds how often it contains the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MARGIN_NATS = 0.002
"""The divergence that counts as equivalent unless the operator says otherwise; see `SCALE`."""

LEAST_PROMPTS = 5
"""Fewer give no interval that one could rely on."""

CONFIDENCE = 0.99


@dataclass(frozen=True, slots=True)
class Step:
    """A point of the scale that margins are read on.

    Attributes:
        change: what was done to the old engine.
        nats: the divergence that was measured.
        same_top: the share of tokens at which both hold the same one most likely.
        sound: whether an operator would call the engines equivalent.
    """

    change: str
    nats: float
    same_top: float
    sound: bool


SCALE = (
    Step("the same engine, alone or in a batch of four", 0.0, 1.0, sound=True),
    Step("float32 to bfloat16, vLLM 0.13 to 0.32", 0.0006, 0.975, sound=True),
    Step("weights rounded to int8 by row", 0.0061, 0.961, sound=False),
    Step("one of thirty MLP matrices with 30% noise", 0.014, 0.938, sound=False),
    Step("weights rounded to int4 in groups of 32", 0.47, 0.71, sound=False),
)
"""Measured with a model of 135 million parameters on a CPU, 30 prompts of 48 greedy tokens."""


@dataclass(frozen=True, slots=True)
class ScoredText:
    """One text, scored by both engines.

    Attributes:
        old: the logarithm of each token's probability on the old engine.
        new: on the new engine.
        same_top: for each token, whether both held the same one most likely; empty if unknown.
    """

    old: tuple[float, ...]
    new: tuple[float, ...]
    same_top: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        if len(self.old) != len(self.new):
            raise ValueError(
                f"{len(self.old)} tokens were scored by one, {len(self.new)} by the other"
            )
        if self.same_top and len(self.same_top) != len(self.old):
            raise ValueError(f"{len(self.same_top)} top tokens for {len(self.old)} tokens")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over tokens, with its interval.

    Attributes:
        value: the mean.
        low: where the interval begins.
        high: where it ends; infinite with too few prompts.
        prompts: how many texts it rests on.
        tokens: how many tokens.
    """

    value: float
    low: float
    high: float
    prompts: int
    tokens: int


def divergence(texts: Sequence[ScoredText], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the KL divergence of the new engine from the old one, in nats a token."""
    sums = [(math.fsum(map(_k3, text.old, text.new)), len(text.old)) for text in texts if text.old]
    estimate = _ratio(sums, confidence)
    low, high = _log_normal([total / count for total, count in sums], confidence)
    return Estimate(
        estimate.value,
        max(0.0, min(estimate.low, low)),
        max(estimate.high, high),
        estimate.prompts,
        estimate.tokens,
    )


def same_top(texts: Sequence[ScoredText], confidence: float = CONFIDENCE) -> Estimate:
    """Estimate the share of tokens at which both engines hold the same one most likely."""
    sums = [(float(sum(text.same_top)), len(text.same_top)) for text in texts if text.same_top]
    estimate = _ratio(sums, confidence)
    return Estimate(
        estimate.value,
        max(0.0, estimate.low),
        min(1.0, estimate.high),
        estimate.prompts,
        estimate.tokens,
    )


def _log_normal(means: Sequence[float], confidence: float) -> tuple[float, float]:
    """Return Cox's interval for the mean of a log-normal variable; an empty one without spread."""
    logarithms = [math.log(mean) for mean in means if mean > 0]
    count = len(logarithms)
    if count < LEAST_PROMPTS:
        return math.inf, -math.inf
    centre = math.fsum(logarithms) / count
    variance = math.fsum((each - centre) ** 2 for each in logarithms) / (count - 1)
    error = math.sqrt(variance / count + variance**2 / (2 * (count - 1)))
    reach = t_quantile(0.5 + confidence / 2, count - 1) * error
    # Prompts without any divergence lower the mean as they do the sum.
    share = count / len(means)
    middle = centre + variance / 2
    return share * math.exp(min(middle - reach, 50)), share * math.exp(min(middle + reach, 50))


def _k3(old: float, new: float) -> float:
    difference = new - old
    # Beyond this the sample says no more than that the engines are worlds apart.
    return math.expm1(min(difference, 20.0)) - difference


def _ratio(sums: Sequence[tuple[float, int]], confidence: float) -> Estimate:
    prompts, tokens = len(sums), sum(count for _, count in sums)
    if not tokens:
        return Estimate(0.0, 0.0, math.inf, 0, 0)
    mean = math.fsum(total for total, _ in sums) / tokens
    if prompts < LEAST_PROMPTS:
        return Estimate(mean, -math.inf, math.inf, prompts, tokens)
    squares = math.fsum((total - mean * count) ** 2 for total, count in sums)
    error = math.sqrt(squares * prompts / (prompts - 1)) / tokens
    reach = t_quantile(0.5 + confidence / 2, prompts - 1) * error
    return Estimate(mean, mean - reach, mean + reach, prompts, tokens)


def t_quantile(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t, for probabilities above a half.

    By bisection on the distribution function; to within 1e-9, without a dependency.
    """
    low, high = 0.0, 1.0
    while t_distribution(high, degrees) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        if t_distribution(middle, degrees) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def t_distribution(value: float, degrees: int) -> float:
    """Return the probability that Student's t is below a value that is not negative.

    Closed forms for whole degrees of freedom: Abramowitz & Stegun, 26.7.3 and 26.7.4.
    """
    angle = math.atan(value / math.sqrt(degrees))
    cosine_squared = math.cos(angle) ** 2
    odd = degrees % 2 == 1
    term = math.cos(angle) if odd else 1.0
    total = 0.0 if degrees == 1 else term
    for step in range(3 if odd else 2, degrees - 1, 2):
        term *= cosine_squared * (step - 1) / step
        total += term
    inside = math.sin(angle) * total
    central = 2 / math.pi * (angle + inside) if odd else inside
    return 0.5 + central / 2
