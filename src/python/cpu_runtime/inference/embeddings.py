"""/v1/embeddings. https://platform.openai.com/docs/api-reference/embeddings"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import orjson

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body, is_integer, require
from cpu_runtime.inference.vectors import Input, Vectors, vectors_of

MAX_INPUTS = 2048
"""As many as OpenAI takes."""


async def embed(body: Body, served: Served, count: Callable[[int, int], None]) -> bytes:
    """Return the answer to a request.

    Tokens are taken as they are: whoever sends tokens sends the special ones too.

    Raises:
        RequestError: the request is wrong, or the engine fails.
    """
    inputs = _inputs(require(body, "input"))
    form = body.get("encoding_format", "float")
    if form not in ("float", "base64"):
        raise invalid("'encoding_format' must be 'float' or 'base64'.", "encoding_format")
    if body.get("dimensions", served.dimensions) != served.dimensions:
        raise invalid(
            f"'dimensions' must be {served.dimensions} for {served.model.name}: "
            "its vectors cannot be shortened.",
            "dimensions",
        )
    try:
        vectors, tokens = await vectors_of(inputs, served, count)
    except RequestError as error:
        if error.type == "invalid_request_error":
            error.param = "input"
        raise
    answer = {
        "object": "list",
        "model": served.model.name,
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(_written(vectors, form))
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _written(vectors: Vectors, form: str) -> list[Any]:
    if form == "float":
        return list(vectors)
    return [base64.b64encode(vector.astype("<f4").tobytes()).decode() for vector in vectors]


def _inputs(value: Any) -> list[Input]:
    """Return the inputs of a request, in whichever of the four forms they came."""
    if isinstance(value, str) or (isinstance(value, list) and value and is_integer(value[0])):
        value = [value]
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_INPUTS:
        raise invalid(f"'input' must have from 1 to {MAX_INPUTS} entries.", "input")
    for index, each in enumerate(value):
        if not _is_input(each):
            raise invalid(
                f"input[{index}] must be a text or a list of tokens, and not empty.", "input"
            )
    return value


def _is_input(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(is_integer(token) for token in value)
    return isinstance(value, str) and bool(value)
