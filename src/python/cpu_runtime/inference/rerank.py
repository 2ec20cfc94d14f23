"""/v1/rerank, in the form that Jina and Cohere share: https://jina.ai/reranker

The score is the cosine of the query's and the document's own embeddings. A cross-encoder, which
reads both together, ranks better; the answer says which of the two it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import Body, check_boolean, check_integer, require
from cpu_runtime.inference.vectors import vectors_of
from cpu_runtime.models.catalog import RERANK_METHOD

MAX_DOCUMENTS = 1024


async def rerank(body: Body, served: Served, count: Callable[[int, int], None]) -> bytes:
    """Return the answer to a request.

    Raises:
        RequestError: the request is wrong, or the engine fails.
    """
    query = require(body, "query")
    if not isinstance(query, str) or not query:
        raise invalid("'query' must be a text, and not empty.", "query")
    documents = _documents(require(body, "documents"))
    check_integer(body, "top_n", 1)
    check_boolean(body, "return_documents")
    try:
        vectors, tokens = await vectors_of([query, *documents], served, count)
    except RequestError as error:
        if error.type == "invalid_request_error":
            error.param = "documents"
        raise
    scores = vectors[1:] @ vectors[0]
    best = np.argsort(-scores, kind="stable")[: body.get("top_n", len(documents))]
    with_text = body.get("return_documents", True)
    results = [
        {
            "index": int(index),
            "relevance_score": float(scores[index]),
            **({"document": {"text": documents[index]}} if with_text else {}),
        }
        for index in best
    ]
    answer = {
        "id": f"rerank-{uuid.uuid4().hex}",
        "model": served.model.name,
        "method": RERANK_METHOD,
        "results": results,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    return orjson.dumps(answer)


def _documents(value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_DOCUMENTS:
        raise invalid(f"'documents' must have from 1 to {MAX_DOCUMENTS} entries.", "documents")
    texts: list[str] = []
    for index, each in enumerate(value):
        text = each.get("text") if isinstance(each, dict) else each
        if not isinstance(text, str) or not text:
            raise invalid(
                f"documents[{index}] must be a text or an object with 'text', and not empty.",
                "documents",
            )
        texts.append(text)
    return texts
