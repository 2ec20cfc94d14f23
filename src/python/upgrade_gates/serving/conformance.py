"""Does a server keep to OpenAI's protocol where clients rely on it?

Sources: https://platform.openai.com/docs/api-reference/models/list, .../chat/create and
.../chat-streaming. What engines add to an answer is no fault.
"""

from __future__ import annotations

from typing import Any

from llm_provider.engine_errors import error_in
from llm_provider.errors import ProviderError
from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.answer import Answer, ask, chat_body
from upgrade_gates.serving.outcome import Outcome

CHAT = "/chat/completions"
QUESTION = "What is the capital of France? Answer in one sentence."
FINISH_REASONS = ("stop", "length", "tool_calls", "content_filter", "function_call")


async def check_models(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check that the list of models is one, and holds the model."""
    try:
        answer = await ask(provider, "GET", "/models")
    except ProviderError as error:
        return Outcome(Verdict.FAIL, str(error))
    document = answer.document() or {}
    data = document.get("data")
    if answer.status != 200 or not isinstance(data, list):
        return Outcome(
            Verdict.FAIL, f"GET /models answers {answer.status} without a list", answer.raw
        )
    ids = [entry.get("id") for entry in data if isinstance(entry, dict)]
    problems = []
    if document.get("object") != "list":
        problems.append(f"`object` is {document.get('object')!r} and not 'list'")
    if model not in ids:
        problems.append(f"the model {model!r} is not listed; there are: {', '.join(map(str, ids))}")
    return Outcome.of(problems, f"{len(ids)} listed, {model} among them", answer.raw)


async def check_chat(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check one whole answer."""
    try:
        answer = await ask(provider, "POST", CHAT, chat_body(model, QUESTION))
    except ProviderError as error:
        return Outcome(Verdict.FAIL, str(error))
    document = answer.document()
    if answer.status != 200 or document is None or error_in(document):
        return Outcome(
            Verdict.FAIL, f"a chat is answered {answer.status}: {says(answer)}", answer.raw
        )
    text, problems = _whole_answer(document)
    return Outcome.of(problems, f"it answers: {text.strip()[:80]!r}", answer.raw)


def _whole_answer(document: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the text of a chat completion, and what is wrong with it."""
    problems = []
    if document.get("object") != "chat.completion":
        problems.append(f"`object` is {document.get('object')!r} and not 'chat.completion'")
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return "", [*problems, "there is no choice with a message"]
    if message.get("role") != "assistant":
        problems.append(f"the role is {message.get('role')!r} and not 'assistant'")
    text = message.get("content") or message.get("reasoning_content") or ""
    if not text:
        problems.append("the message has no content")
    if choice.get("finish_reason") not in FINISH_REASONS:
        problems.append(f"finish_reason is {choice.get('finish_reason')!r}")
    return str(text), problems + usage_problems(document.get("usage"))


def usage_problems(usage: object) -> list[str]:
    """Return what is wrong with a report of usage."""
    if not isinstance(usage, dict):
        return ["there is no usage"]
    counts = [usage.get(key) for key in ("prompt_tokens", "completion_tokens", "total_tokens")]
    numbers = [count for count in counts if isinstance(count, int)]
    if len(numbers) < len(counts) or min(numbers) < 1:
        return [f"usage is not three counts above zero: {counts}"]
    prompt, completion, total = numbers
    return [] if prompt + completion == total else [f"usage does not add up: {counts}"]


MISTAKES = (
    ("an unknown model", chat_body("no-such-model-0", QUESTION)),
    ("bad JSON", b'{"model": '),
    ("a bad field", b""),
)


async def check_errors(provider: OpenAIHTTPProvider, model: str) -> Outcome:
    """Check that callers' mistakes are refused: 4xx, with an error object that has a message."""
    problems, seen, raw = [], [], []
    for mistake, body in MISTAKES:
        sent = body or chat_body(model, QUESTION, max_tokens="many")
        try:
            answer = await ask(provider, "POST", CHAT, sent)
        except ProviderError as error:
            problems.append(f"{mistake}: {error}")
            continue
        raw.append(answer.raw)
        seen.append(f"{mistake} {answer.status}")
        problem = refusal_problem(answer)
        if problem is not None:
            problems.append(f"{mistake} is answered {answer.status}: {problem}")
    return Outcome.of(problems, f"refused: {', '.join(seen)}", "\n".join(raw))


def refusal_problem(answer: Answer) -> str | None:
    """Return why an answer is no proper refusal, or None."""
    if answer.status < 400:
        return "it was accepted"
    if answer.status >= 500:
        return "a mistake of the caller is called one of the server"
    document = answer.document()
    error = error_in(document) if document is not None else None
    if error is None or not isinstance(error.get("message"), str):
        return f"there is no error object with a message: {says(answer)}"
    return None


def says(answer: Answer) -> str:
    """Return the beginning of an answer's error message, or of its body."""
    return whole_message(answer)[:200]


def whole_message(answer: Answer) -> str:
    """Return an answer's error message, or its body."""
    document = answer.document()
    error = error_in(document) if document is not None else None
    if error is not None and isinstance(error.get("message"), str):
        return str(error["message"])
    return answer.body.decode("utf-8", "replace")
