"""Reranking in the one form that Jina and Cohere share, whichever of it an engine knows.

vLLM takes documents as texts only, and sends them back whether asked to or not. What engines do
alike passes through untouched.
https://jina.ai/reranker, https://docs.cohere.com/reference/rerank
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llm_provider.json_text import read_json, write_json
from llm_provider.model_rewrite import replace_spans, value_spans
from llm_provider.provider import JsonObject
from querylake_api.errors import invalid_request
from querylake_api.inference.large_body import DOCUMENTS, Places


@dataclass(frozen=True, slots=True)
class RerankForm:
    """What a request says about the form of its answer.

    Attributes:
        documents: as texts; None for what is no text.
        top_n: how many results at most.
        return_documents: None if the request leaves it to the engine.
    """

    documents: tuple[str | None, ...]
    top_n: int | None
    return_documents: bool | None

    def shaped(self, answer: bytes) -> bytes:
        """Return an engine's answer with as many results and as much in them as was asked for."""
        try:
            document = read_json(answer)
        except ValueError:
            return answer
        if isinstance(document, list):
            # TEI sends the results alone, and calls their scores by another name.
            document = {"results": [_renamed(result) for result in document]}
        results = document.get("results")
        if not isinstance(results, list):
            return answer
        shaped = [self._result(result) for result in results[: self.top_n]]
        if shaped == results and answer.lstrip().startswith(b"{"):
            return answer
        return write_json({**document, "results": shaped})

    def shaped_some(self, results: bytes, *, bare: bool) -> bytes:
        """Return some of an answer's results, a JSON list, with as much in them as was asked for.

        Args:
            bare: whether they are TEI's.
        """
        try:
            found = read_json(results)
        except ValueError:
            return results
        if bare:
            found = [_renamed(result) for result in found]
        shaped = [self._result(result) for result in found]
        return results if shaped == found and not bare else write_json(shaped)

    def _result(self, result: Any) -> Any:
        if not isinstance(result, dict) or self.return_documents is None:
            return result
        if not self.return_documents:
            return {name: value for name, value in result.items() if name != "document"}
        text = self._text_at(result.get("index"))
        if "document" in result or text is None:
            return result
        return {**result, "document": {"text": text}}

    def _text_at(self, index: Any) -> str | None:
        if isinstance(index, int) and 0 <= index < len(self.documents):
            return self.documents[index]
        return None


def understood(body: bytes, request: JsonObject, places: Places | None) -> tuple[bytes, RerankForm]:
    """Return a request with its documents as texts, and the form that its answer is to have.

    Args:
        request: what the body says.
        places: where its values lie, if that was looked for.

    Raises:
        ApiError: 400 for a `top_n` or a `return_documents` that is none.
    """
    top_n = request.get("top_n")
    if top_n is not None and (top_n.__class__ is not int or top_n < 1):
        raise invalid_request(
            "The field `top_n` must be an integer of at least 1.",
            code="invalid_type",
            param="top_n",
        )
    return_documents = request.get("return_documents")
    if return_documents is not None and not isinstance(return_documents, bool):
        raise invalid_request(
            "The field `return_documents` must be true or false.",
            code="invalid_type",
            param="return_documents",
        )
    documents = request.get("documents")
    if not isinstance(documents, list):
        return body, RerankForm((), top_n, return_documents)
    texts = [_text_of(document) for document in documents]
    form = RerankForm(tuple(texts), top_n, return_documents)
    if all(isinstance(document, str) for document in documents):
        return body, form
    as_texts = [
        document if text is None else text for document, text in zip(documents, texts, strict=True)
    ]
    # The rest of the request stays as it came, however deep it is.
    spans = value_spans(body, DOCUMENTS) if places is None else places[DOCUMENTS]
    return replace_spans(body, spans, write_json(as_texts)), form


def _renamed(result: Any) -> Any:
    if not isinstance(result, dict) or "score" not in result:
        return result
    kept = {name: value for name, value in result.items() if name != "score"}
    return {**kept, "relevance_score": result["score"]}


def _text_of(document: Any) -> str | None:
    text = document.get("text") if isinstance(document, dict) else document
    return text if isinstance(text, str) else None
