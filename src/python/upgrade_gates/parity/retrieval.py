"""Comparing two embedders, or two rerankers: own texts, long ones, and vectors that were stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from answer_parity.causes import Finding
from answer_parity.shapes import CONTINUATIONS, PLAIN_TEXTS
from answer_parity.vectors import TextVectors, findings, measure, order_findings
from answer_parity.verdict import Measurements
from upgrade_gates.errors import PromptsUnusable
from upgrade_gates.parity.engine import Engine

BATCH = 8
LONG = " ".join(CONTINUATIONS)
"""Some 1,600 characters: beyond the window of many embedders, and cut silently by some engines."""

TEXTS = (*PLAIN_TEXTS, *CONTINUATIONS, LONG, LONG[::-1])
QUERIES = ("Why is the sky blue?", "How is bread made?", "Was ist ein Index?")


async def is_retrieval(engine: Engine) -> bool:
    """Tell whether an engine embeds or ranks."""
    return (
        await engine.vectors(["a"]) is not None or await engine.relevances("a", ["a"]) is not None
    )


async def compare_retrieval(
    old: Engine, new: Engine, texts: Sequence[str], stored: Sequence[tuple[str, list[float]]] = ()
) -> Measurements:
    """Measure how far vectors and rankings of two engines are apart.

    Args:
        stored: texts with their vectors in an index, which the new engine's must fit as well.
    """
    found: list[Finding] = []
    figures = None
    left, right = await asyncio.gather(_vectors(old, texts), _vectors(new, texts))
    if left is not None and right is not None:
        pairs = [TextVectors(*each) for each in zip(texts, left, right, strict=True)]
        figures = measure(pairs)
        found += findings(pairs)
    if stored:
        kept = await _vectors(new, [text for text, _ in stored])
        if kept is not None:
            of_index = [
                TextVectors(text, vector, now)
                for (text, vector), now in zip(stored, kept, strict=True)
            ]
            found += findings(of_index, "vectors against the index")
            figures = figures or measure(of_index)
    rankings = 0
    for query in QUERIES:
        before, now = await asyncio.gather(
            *(engine.relevances(query, CONTINUATIONS) for engine in (old, new))
        )
        if before is not None and now is not None:
            rankings += 1
            found += order_findings(before, now, f"ranking for {query!r}")
    return Measurements(findings=found, vectors=figures, rankings=rankings)


def stored_vectors(file: Path) -> list[tuple[str, list[float]]]:
    """Read texts with their vectors: one object with `text` and `embedding` a line.

    Raises:
        PromptsUnusable: it cannot be read, or is something else.
    """
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        documents = [json.loads(line) for line in lines]
        return [
            (str(each["text"]), [float(number) for number in each["embedding"]])
            for each in documents
        ]
    except OSError as error:
        raise PromptsUnusable(f"--stored: {file} cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError):
        raise PromptsUnusable(
            f'--stored: {file} is not one {{"text": …, "embedding": […]}} a line'
        ) from None


async def _vectors(engine: Engine, texts: Sequence[str]) -> list[list[float]] | None:
    found: list[list[float]] = []
    for start in range(0, len(texts), BATCH):
        part = await engine.vectors(texts[start : start + BATCH])
        if part is None:
            return None
        found += part
    return found
