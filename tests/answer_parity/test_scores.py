"""The divergence of two engines' distributions, estimated from scored text."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.scores import ScoredText, divergence, same_top, t_distribution, t_quantile

LOGPROBS = st.lists(st.floats(-15, -1e-4), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("probability", "degrees", "quantile"),
    # R: qt(p, df)
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.30265),
        (0.995, 3, 5.84091),
        (0.995, 10, 3.16927),
        (0.995, 29, 2.75639),
        (0.9, 100, 1.29007),
    ],
)
def test_students_t(probability: float, degrees: int, quantile: float) -> None:
    assert t_quantile(probability, degrees) == pytest.approx(quantile, rel=1e-4)
    assert t_distribution(quantile, degrees) == pytest.approx(probability, abs=1e-5)


@given(st.lists(LOGPROBS, min_size=5, max_size=12))
def test_an_engine_does_not_diverge_from_itself(texts: list[list[float]]) -> None:
    estimate = divergence([ScoredText(tuple(text), tuple(text)) for text in texts])
    assert (estimate.value, estimate.low, estimate.high) == (0.0, 0.0, 0.0)


@given(st.lists(st.tuples(LOGPROBS, st.floats(-3, 3)), min_size=5, max_size=12))
def test_a_divergence_is_never_below_zero(texts: list[tuple[list[float], float]]) -> None:
    scored = [
        ScoredText(tuple(text), tuple(min(-1e-6, each + shift) for each in text))
        for text, shift in texts
    ]
    estimate = divergence(scored)
    assert 0 <= estimate.low <= estimate.value <= estimate.high


def test_few_prompts_give_no_interval() -> None:
    estimate = divergence([ScoredText((-1.0,), (-1.1,))] * 4)
    assert estimate.value > 0
    assert estimate.high == math.inf


def test_what_does_not_fit_together_is_refused() -> None:
    with pytest.raises(ValueError, match="2 tokens were scored by one, 1 by the other"):
        ScoredText((-1.0, -2.0), (-1.0,))


def sampled(chance: random.Random, spread: float, prompts: int) -> list[ScoredText]:
    """Draw tokens of a distribution, and score them by it and by a disturbed one.

    Args:
        spread: of the logarithm of the disturbance: some prompts are harder than others.
    """
    texts = []
    for _ in range(prompts):
        own = 0.1 * math.exp(chance.gauss(0, spread))
        old, new = [], []
        for _ in range(40):
            logits = [chance.gauss(0, 2) for _ in range(20)]
            moved = [each + chance.gauss(0, own) for each in logits]
            old_norm, new_norm = _log_sum(logits), _log_sum(moved)
            weights = [math.exp(each - old_norm) for each in logits]
            token = chance.choices(range(20), weights)[0]
            old.append(logits[token] - old_norm)
            new.append(moved[token] - new_norm)
        texts.append(ScoredText(tuple(old), tuple(new)))
    return texts


def _log_sum(logits: list[float]) -> float:
    return math.log(math.fsum(map(math.exp, logits)))


@pytest.mark.parametrize("spread", [0.1, 0.35, 0.7])
def test_intervals_hold_the_true_divergence_as_often_as_they_say(spread: float) -> None:
    chance = random.Random(7)
    pool = sampled(chance, spread, 1500)
    truth = divergence(pool).value
    runs, held = 300, 0
    for _ in range(runs):
        estimate = divergence(chance.sample(pool, 30), confidence=0.95)
        held += estimate.low <= truth <= estimate.high
    assert held / runs >= 0.93


def test_the_share_of_same_top_tokens() -> None:
    texts = [ScoredText((-1.0,) * 4, (-1.0,) * 4, (True, True, True, False))] * 6
    estimate = same_top(texts)
    assert estimate.value == 0.75
    assert estimate.tokens == 24
    assert same_top([ScoredText((-1.0,), (-1.0,))]).tokens == 0
