"""Whether both stacks give the same vectors and the same orders for the same texts.

Vectors of two stacks end up in one index. If they differ, searches go wrong silently, and no error
rate shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llm_provider.errors import ProviderError
from querylake_api.inference.catalog import Model, Target

MIN_COSINE = 0.999
"""Between the two vectors of one text. Rounding of 8-bit weights alone moves them by less."""

TEXTS = (
    "The capital of France is Paris.",
    "A rollout gives a growing share of the traffic to the new version.",
    "Wie spät ist es in Tokio?",
    "SELECT name FROM users WHERE id = 7;",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "a",
    "Der Vertrag endet am 31. Dezember, sofern keine Partei widerspricht.",
    "Long texts are cut where the model's window ends. " * 20,
)

QUERY = "Which city is the capital of France?"


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was found.

    Attributes:
        refusal: why the stacks must not be mixed; None if they may.
        figures: what was compared.
    """

    refusal: str | None
    figures: dict[str, Any]


async def compare(model: Model) -> Agreement:
    """Ask both stacks the same, and compare. An answer that does not come is a refusal."""
    stable, candidate = model.stable[0], model.candidates[0]
    figures: dict[str, Any] = {"stable": stable.upstream, "candidate": candidate.upstream}
    refusals: list[str] = []
    try:
        if "embeddings" in model.capabilities:
            cosines = _cosines(await _vectors(stable), await _vectors(candidate))
            figures["cosines"] = [round(cosine, 6) for cosine in cosines]
            if min(cosines) < MIN_COSINE:
                refusals.append(
                    f"the vectors of the two stacks differ: the smallest cosine is "
                    f"{min(cosines):.4f}, {MIN_COSINE} is needed"
                )
        if "rerank" in model.capabilities:
            first, second = await _order(stable), await _order(candidate)
            figures["orders"] = [first, second]
            if first != second:
                refusals.append(f"the two stacks rank the same texts as {first} and {second}")
    except ProviderError as error:
        refusals.append(f"the stacks could not be compared: {error}")
    except (KeyError, TypeError, ValueError) as error:
        refusals.append(f"a stack's answer cannot be read: {error!r}")
    return Agreement("; ".join(refusals) or None, figures)


async def _vectors(target: Target) -> list[list[float]]:
    answer = await target.engine.provider.embed({"model": target.model, "input": list(TEXTS)})
    items = sorted(answer["data"], key=lambda item: item["index"])
    return [[float(number) for number in item["embedding"]] for item in items]


async def _order(target: Target) -> list[int]:
    request = {"model": target.model, "query": QUERY, "documents": list(TEXTS)}
    answer = await target.engine.provider.rerank(request)
    results = sorted(answer["results"], key=lambda each: -each["relevance_score"])
    return [int(each["index"]) for each in results]


def _cosines(first: Sequence[list[float]], second: Sequence[list[float]]) -> list[float]:
    """Return the cosine of each pair. Vectors of different lengths have nothing in common."""
    cosines = []
    for one, other in zip(first, second, strict=True):
        if len(one) != len(other):
            return [0.0]
        length = math.hypot(*one) * math.hypot(*other)
        dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
        cosines.append(dot / length if length else 0.0)
    return cosines
