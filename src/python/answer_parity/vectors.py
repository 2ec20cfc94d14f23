"""Embedders and rerankers: do two engines give the same vectors, and the same order?

Vectors of both engines meet in one index. What counts is the angle between the two vectors of one
text, their lengths where searches use the dot product, and whether the nearest neighbours of a text
stay the same when its vector comes from the new engine and the index from the old one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from answer_parity.causes import Cause, Finding

MIN_COSINE = 0.999
"""Between the two vectors of one text. Weights of 8 bits move them by less."""

POOLING_COSINE = 0.9
"""Below this, even for short texts, the vectors are of another kind: weights are not rounded so."""

NORM_TOLERANCE = 0.01
"""By which the lengths of two vectors of one text may differ, as a share."""

NEIGHBOURS = 3
LEAST_OVERLAP = 0.9
"""The share of nearest neighbours that have to stay the same."""

LONG_CHARACTERS = 1000
"""Texts beyond this are long: engines cut them, silently."""

MIN_ORDER = 0.95
"""The share of pairs of documents that both engines put in the same order."""

Vector = Sequence[float]


@dataclass(frozen=True, slots=True)
class TextVectors:
    """One text's vector on both engines."""

    text: str
    old: Vector
    new: Vector

    @property
    def cosine(self) -> float:
        """The cosine of the angle between both; 0 for vectors of other lengths."""
        return cosine(self.old, self.new)


@dataclass(frozen=True, slots=True)
class VectorFigures:
    """What was measured of two embedders.

    Attributes:
        least_cosine: the smallest over all texts.
        least_long_cosine: over long ones; None without any.
        norms: the mean length on the old engine and on the new one.
        overlap: the share of nearest neighbours that stay, with the new vector in the old index.
    """

    texts: int
    dimensions: tuple[int, int]
    least_cosine: float
    least_long_cosine: float | None
    norms: tuple[float, float]
    overlap: float

    def sentence(self) -> str:
        """Return the figures in words."""
        return (
            f"{self.texts} texts, smallest cosine {self.least_cosine:.5f}, "
            f"{self.overlap:.0%} of nearest neighbours stay"
        )


def measure(texts: Sequence[TextVectors]) -> VectorFigures:
    """Return the figures.

    Raises:
        ValueError: there are no texts.
    """
    if not texts:
        raise ValueError("there are no texts to compare")
    long = [each.cosine for each in texts if len(each.text) > LONG_CHARACTERS]
    return VectorFigures(
        texts=len(texts),
        dimensions=(len(texts[0].old), len(texts[0].new)),
        least_cosine=min(each.cosine for each in texts),
        least_long_cosine=min(long, default=None),
        norms=(
            math.fsum(math.hypot(*each.old) for each in texts) / len(texts),
            math.fsum(math.hypot(*each.new) for each in texts) / len(texts),
        ),
        overlap=_overlap(texts),
    )


def findings(texts: Sequence[TextVectors], what: str = "vectors") -> list[Finding]:
    """Return what is different beyond noise, with its cause.

    Args:
        what: names the comparison.
    """
    figures = measure(texts)
    old, new = figures.dimensions
    if old != new:
        return [Finding(what, Cause.WEIGHTS, f"{old} dimensions before, and {new} now")]
    found = []
    if figures.least_cosine < MIN_COSINE:
        found.append(Finding(what, _cause(texts), figures.sentence()))
    before, now = figures.norms
    if abs(now - before) > NORM_TOLERANCE * max(before, now):
        says = f"vectors are {before:.3g} long before, and {now:.3g} now"
        found.append(Finding(f"{what}, length", Cause.POOLING, says))
    if not found and figures.overlap < LEAST_OVERLAP:
        found.append(Finding(f"{what}, neighbours", Cause.WEIGHTS, figures.sentence()))
    return found


def order_findings(old: Sequence[float], new: Sequence[float], what: str) -> list[Finding]:
    """Return whether two rerankers put the same documents in another order.

    Args:
        old: scores of the documents, by their place in the request.
        new: likewise.
    """
    agreement = order_agreement(old, new)
    first = max(range(len(old)), key=lambda at: old[at]) == max(
        range(len(new)), key=lambda at: new[at]
    )
    if first and agreement >= MIN_ORDER:
        return []
    says = f"{agreement:.0%} of pairs of documents keep their order"
    says += "" if first else ", and another document comes first"
    return [Finding(what, Cause.WEIGHTS, says)]


def order_agreement(old: Sequence[float], new: Sequence[float]) -> float:
    """Return the share of pairs that both put in the same order; what is equal agrees."""
    pairs = [(a, b) for a in range(len(old)) for b in range(a + 1, len(old))]
    same = sum((old[a] - old[b]) * (new[a] - new[b]) >= 0 for a, b in pairs)
    return same / len(pairs) if pairs else 1.0


def cosine(one: Vector, other: Vector) -> float:
    """Return the cosine of the angle between two vectors; 0 where there is none."""
    if len(one) != len(other):
        return 0.0
    length = math.hypot(*one) * math.hypot(*other)
    dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
    return dot / length if length else 0.0


def _cause(texts: Sequence[TextVectors]) -> Cause:
    short = [each.cosine for each in texts if len(each.text) <= LONG_CHARACTERS]
    if short and min(short) >= MIN_COSINE:
        return Cause.CONTEXT
    middle = sorted(short or [each.cosine for each in texts])
    return Cause.POOLING if middle[len(middle) // 2] < POOLING_COSINE else Cause.WEIGHTS


def _overlap(texts: Sequence[TextVectors]) -> float:
    count = min(NEIGHBOURS, len(texts) - 1)
    if count < 1:
        return 1.0
    kept = 0
    for at, text in enumerate(texts):
        others = [other for other in range(len(texts)) if other != at]
        before = _nearest(text.old, texts, others, count)
        kept += len(before & _nearest(text.new, texts, others, count))
    return kept / (count * len(texts))


def _nearest(
    query: Vector, texts: Sequence[TextVectors], others: Sequence[int], count: int
) -> set[int]:
    ranked = sorted(others, key=lambda other: -cosine(query, texts[other].old))
    return set(ranked[:count])
