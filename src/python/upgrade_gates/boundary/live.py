"""What only a running API can show: it answers through the boundary and adds nothing of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from llm_provider.engine_errors import error_in
from llm_provider.errors import ProviderError
from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.answer import Answer, ask, chat_body
from upgrade_gates.serving.conformance import (
    CHAT,
    QUESTION,
    check_chat,
    refusal_problem,
    says,
    whole_message,
)
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.serving.streaming import check_stream

_FRAMES = re.compile(r'\s*\n\s*File "')
"""Where the stack of a validation error begins."""

TEXTS = ("A cat sleeps on the sofa.", "The rate rose by 2%.")


async def check_both(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check a chat, whole and streamed."""
    whole, streamed = await check_chat(provider, model), await check_stream(provider, model)
    output = f"{whole.output}\n{streamed.output}"
    if Verdict.FAIL in (whole.verdict, streamed.verdict):
        failed = whole if whole.verdict is Verdict.FAIL else streamed
        return Outcome(Verdict.FAIL, failed.reason, output)
    return Outcome(Verdict.PASS, f"whole and streamed: {whole.reason}", output)


async def check_pass_through(
    api: OpenAIHTTPProvider, model: str, engine: OpenAIHTTPProvider, engine_model: str
) -> Outcome:
    """Check that a field travels to the engine untouched.

    The API does not look at `max_tokens`; so a value that only the engine can refuse must come back
    with the engine's own words.

    Args:
        engine: the same engine, asked directly.
    """
    try:
        through = await ask(api, "POST", CHAT, chat_body(model, QUESTION, max_tokens="many"))
        direct = await ask(
            engine, "POST", CHAT, chat_body(engine_model, QUESTION, max_tokens="many")
        )
    except ProviderError as error:
        return Outcome(Verdict.FAIL, str(error))
    output = f"[through the API]\n{through.raw}\n[directly]\n{direct.raw}"
    problem = refusal_problem(through)
    if problem is not None:
        return Outcome(Verdict.FAIL, f"a bad field is answered {through.status}: {problem}", output)
    ours, engines = own_words(whole_message(through)), own_words(whole_message(direct))
    if (through.status, ours) == (direct.status, engines):
        return Outcome(
            Verdict.PASS,
            f"a field is judged by the engine, in its own words: {ours[:100]!r}",
            output,
        )
    return Outcome(
        Verdict.INCONCLUSIVE,
        f"the API says {through.status} {_where_they_differ(ours, engines)!r} where the engine "
        f"says {direct.status} {_where_they_differ(engines, ours)!r}; is it the engine that the "
        "API asks?",
        output,
    )


def own_words(message: str) -> str:
    """Return what an engine says of a mistake, without the frames of its own code.

    vLLM 0.13 appends the stack to validation errors, with paths of the server; the API takes them
    away, for they are nothing that clients should read.
    """
    words = message.partition("Traceback (most recent call last)")[0]
    return _FRAMES.split(words, maxsplit=1)[0].strip()


def _where_they_differ(text: str, other: str) -> str:
    """Return a text from shortly before the place where it differs from another."""
    same = next(
        (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b),
        min(len(text), len(other)),
    )
    start = max(0, same - 20)
    return f"{'...' if start else ''}{text[start : start + 100]}"


async def check_embeddings(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check that embeddings are vectors of one length, in OpenAI's form."""
    body = json.dumps({"model": model, "input": list(TEXTS)}).encode()
    return await _check(provider, "/embeddings", body, _embedding_problems, "vectors")


async def check_rerank(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check that reranking puts the fitting text first."""
    body = json.dumps(
        {"model": model, "query": "Where do cats sleep?", "documents": list(TEXTS[::-1])}
    ).encode()
    return await _check(provider, "/rerank", body, _rerank_problems, "the fitting text is first")


async def _check(
    provider: OpenAIHTTPProvider,
    path: str,
    body: bytes,
    judge: Callable[[dict[str, Any]], list[str]],
    well: str,
) -> Outcome:
    try:
        answer = await ask(provider, "POST", path, body)
    except ProviderError as error:
        return Outcome(Verdict.FAIL, str(error))
    document = _answered(answer)
    if document is None:
        return Outcome(
            Verdict.FAIL, f"POST {path} is answered {answer.status}: {says(answer)}", answer.raw
        )
    return Outcome.of(judge(document), f"{path} answers: {well}", answer.raw)


def _answered(answer: Answer) -> dict[str, Any] | None:
    document = answer.document()
    if answer.status != 200 or document is None or error_in(document) is not None:
        return None
    return document


def _embedding_problems(document: dict[str, Any]) -> list[str]:
    data = document.get("data")
    if document.get("object") != "list" or not isinstance(data, list) or len(data) != len(TEXTS):
        return [f"there is no list of {len(TEXTS)} embeddings"]
    vectors = [entry.get("embedding") for entry in data if isinstance(entry, dict)]
    lengths = {len(vector) for vector in vectors if isinstance(vector, list)}
    problems = []
    if [entry.get("index") for entry in data] != list(range(len(TEXTS))):
        problems.append("the indexes are not 0, 1, ...")
    if len(lengths) != 1 or lengths == {0} or None in vectors:
        problems.append(f"the vectors have no common length: {sorted(lengths)}")
    elif not all(any(vector) for vector in vectors if vector is not None):
        problems.append("a vector is all zeros")
    if not isinstance((document.get("usage") or {}).get("prompt_tokens"), int):
        problems.append("there is no usage")
    return problems


def _rerank_problems(document: dict[str, Any]) -> list[str]:
    results = document.get("results")
    if not isinstance(results, list) or len(results) != len(TEXTS):
        return [f"there are no {len(TEXTS)} results"]
    scored = [each for each in results if isinstance(each, dict) and "relevance_score" in each]
    if len(scored) != len(results):
        return ["a result has no relevance_score"]
    best = max(scored, key=lambda each: float(each["relevance_score"]))
    return [] if best.get("index") == 1 else ["the text that does not fit is ranked first"]
