"""Vectors of texts, from the engine."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpu_runtime.engine.served import Served

Vectors = NDArray[np.float32]
Input = str | list[int]

_AT_ONCE = 32
"""Texts per request to the engine. Between two, others have their turn."""


async def vectors_of(
    inputs: Sequence[Input], served: Served, count: Callable[[int, int], None]
) -> tuple[Vectors, int]:
    """Return one vector of length 1 per input, as rows, and the number of tokens in all inputs.

    Raises:
        RequestError: an input is too long, or the engine fails.
    """
    rows: list[Vectors] = []
    tokens = 0
    for start in range(0, len(inputs), _AT_ONCE):
        part = inputs[start : start + _AT_ONCE]
        body = {"input": part, "model": served.model.name, "encoding_format": "base64"}
        async with served.gate.slot():
            answer = await served.client.ask("/v1/embeddings", body)
        used = answer["usage"]["prompt_tokens"]
        tokens += used
        count(used, 0)
        rows.extend(_row(each) for each in sorted(answer["data"], key=lambda each: each["index"]))
    matrix = np.stack(rows)
    # llama.cpp normalises too, but rounds to 32 bits, and some models have no norm.
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32), tokens


def _row(entry: dict[str, Any]) -> Vectors:
    return np.frombuffer(base64.b64decode(entry["embedding"]), dtype="<f4")
