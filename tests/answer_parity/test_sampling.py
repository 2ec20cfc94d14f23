"""Sampling defaults show in how likely the drawn tokens are."""

from __future__ import annotations

import math
import random

from answer_parity.sampling import differs_in_heat


def drawn(chance: random.Random, temperature: float, answers: int) -> list[float]:
    """Draw answers of 16 tokens at a temperature; return their mean logarithms at temperature 1."""
    logits = [2.0 * math.sin(n * 1.7) for n in range(30)]
    norm = math.log(sum(math.exp(each) for each in logits))
    weights = [math.exp(each / temperature) for each in logits]
    return [
        sum(logits[token] - norm for token in chance.choices(range(30), weights, k=16)) / 16
        for _ in range(answers)
    ]


def test_a_lower_temperature_is_found() -> None:
    chance = random.Random(1)
    found = [differs_in_heat(drawn(chance, 1.0, 24), drawn(chance, 0.6, 24)) for _ in range(20)]
    assert all(each is not None and "likelier than before" in each for each in found)


def test_equal_defaults_are_seldom_called_different() -> None:
    chance = random.Random(2)
    alarms = sum(
        differs_in_heat(drawn(chance, 1.0, 24), drawn(chance, 1.0, 24)) is not None
        for _ in range(400)
    )
    assert alarms <= 2


def test_greedy_against_sampling() -> None:
    chance = random.Random(3)
    assert differs_in_heat(drawn(chance, 1.0, 24), [-0.4] * 24) is not None
    assert differs_in_heat([-0.4] * 24, [-0.4] * 24) is None
    assert differs_in_heat([-0.4] * 3, [-9.0] * 3) is None
