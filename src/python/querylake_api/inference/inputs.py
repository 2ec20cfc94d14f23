"""What engines must not be given: it harms them, or comes back as nothing that can be passed on.

All else in a request is for the engine to judge. This it does not: vLLM 0.13 takes a token id below
zero, and its engine core dies of it, with the requests of everybody else.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from llm_provider.provider import JsonObject
from querylake_api.errors import invalid_request

_NUMBERS = {int, float}

_BINARY = ("bytes", "bytes_only")
"""vLLM's own encodings, whose answer is no JSON: its shape and usage are in a header."""


def check_inputs(request: JsonObject, field: str) -> None:
    """Refuse texts with impossible token ids, and embeddings in a form that is no JSON.

    Args:
        field: where the request has its texts, or their tokens.

    Raises:
        ApiError: 400, naming the field.
    """
    texts = request.get(field)
    if isinstance(texts, list):
        for ids in (texts, *(each for each in texts if isinstance(each, list))):
            if _impossible(ids):
                raise invalid_request(
                    f"The field `{field}` must hold either texts or token ids, which are integers "
                    "of at least 0.",
                    code="invalid_value",
                    param=field,
                )
    encoding = request.get("encoding_format")
    if encoding in _BINARY:
        raise invalid_request(
            f"The encoding {encoding!r} cannot be passed on. Use `float` or `base64`.",
            code="invalid_value",
            param="encoding_format",
        )


def _impossible(ids: Collection[Any]) -> bool:
    """Whether there are numbers among some values, and not only such as tokens have."""
    kinds = set(map(type, ids))
    if kinds == {int}:
        return bool(min(ids) < 0)
    # Engines would make integers of fractions, texts and truth values beside them.
    return not kinds.isdisjoint(_NUMBERS)
