"""Comparing two embedders, or two rerankers: own texts, long ones, and vectors that were stored."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from answer_parity.causes import Cause, Finding
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
    pairs = _both(texts, left, right)
    if pairs:
        figures = measure(pairs)
        found += findings(pairs) + _refused(texts, left, right)
    if stored:
        kept = await _vectors(new, [text for text, _ in stored])
        of_index = _both([text for text, _ in stored], [each for _, each in stored], kept)
        if of_index:
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


async def _vectors(engine: Engine, texts: Sequence[str]) -> list[list[float] | None]:
    """Return each text's vector; None for one that the engine refuses."""
    found: list[list[float] | None] = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        together = await engine.vectors(batch)
        if together is not None:
            found += together
            continue
        # One of them may be too long; the others are to be compared all the same.
        for text in batch:
            alone = await engine.vectors([text])
            found.append(None if alone is None else alone[0])
    return found


def _both(
    texts: Sequence[str],
    old: Sequence[list[float] | None],
    new: Sequence[list[float] | None],
) -> list[TextVectors]:
    return [
        TextVectors(text, left, right)
        for text, left, right in zip(texts, old, new, strict=True)
        if left is not None and right is not None
    ]


def _refused(
    texts: Sequence[str],
    old: Sequence[list[float] | None],
    new: Sequence[list[float] | None],
) -> list[Finding]:
    """Return what is to be said of texts that the new engine alone refuses."""
    lengths = [
        len(text)
        for text, left, right in zip(texts, old, new, strict=True)
        if left is not None and right is None
    ]
    if not lengths:
        return []
    says = f"{len(lengths)} texts are refused now, the shortest of {min(lengths)} characters"
    return [Finding("vectors, refused", Cause.CONTEXT, says)]
