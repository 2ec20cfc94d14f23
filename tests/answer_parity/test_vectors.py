"""Two embedders, and what is different between them."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.causes import Cause
from answer_parity.vectors import (
    TextVectors,
    cosine,
    findings,
    measure,
    order_agreement,
    order_findings,
)

TEXTS = [*(f"text {number}" for number in range(20)), "long " * 400]
CHANCE = random.Random(2)
OLD = [[CHANCE.gauss(0, 1) for _ in range(32)] for _ in TEXTS]


def moved(vector: list[float], noise: float) -> list[float]:
    return [each + noise * CHANCE.gauss(0, 1) for each in vector]


def pairs(new: list[list[float]]) -> list[TextVectors]:
    return [TextVectors(*each) for each in zip(TEXTS, OLD, new, strict=True)]


def test_the_same_and_nearly_the_same_are_equivalent() -> None:
    assert findings(pairs(OLD)) == []
    assert findings(pairs([moved(each, 0.005) for each in OLD])) == []
    assert measure(pairs(OLD)).sentence() == (
        "21 texts, smallest cosine 1.00000, 100% of nearest neighbours stay"
    )


@pytest.mark.parametrize(
    ("new", "cause"),
    [
        ([moved(each, 0.2) for each in OLD], Cause.WEIGHTS),
        ([[-number for number in each] for each in OLD], Cause.POOLING),
        ([[number / math.hypot(*each) for number in each] for each in OLD], Cause.POOLING),
        ([*OLD[:-1], moved(OLD[-1], 1.0)], Cause.CONTEXT),
        ([each[:16] for each in OLD], Cause.WEIGHTS),
    ],
    ids=["rounded weights", "another pooling", "another length", "cut texts", "dimensions"],
)
def test_a_difference_has_its_cause(new: list[list[float]], cause: Cause) -> None:
    assert findings(pairs(new))[0].cause is cause


def test_orders_of_documents_are_compared() -> None:
    assert order_findings([3, 2, 1], [0.9, 0.5, 0.1], "ranking") == []
    [finding] = order_findings([3, 2, 1], [0.5, 0.9, 0.1], "ranking")
    assert "another document comes first" in finding.says


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=8))
def test_agreement_with_oneself_is_whole(scores: list[float]) -> None:
    assert order_agreement(scores, scores) == 1.0


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=8), st.floats(0.1, 10))
def test_a_cosine_knows_no_lengths(vector: list[float], factor: float) -> None:
    assert cosine(vector, [factor * each for each in vector]) == pytest.approx(1.0)
    assert cosine(vector, [0.0] * len(vector)) == 0.0
