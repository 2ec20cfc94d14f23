"""Errors in the JSON of engines: whether a document is one, what status it amounts to, and why.

No two engines agree on the form. OpenAI, vLLM and llama.cpp write `{"error": {…}}`; older vLLM,
SGLang and LMDeploy `{"object": "error", …}`; TGI, TEI, Ollama and LM Studio `{"error": "…"}`;
FastAPI `{"detail": …}`; gateways of clouds `{"message": …, "statusCode": …}`; Gemini a list of one;
OpenRouter puts it into each choice; RFC 9457 has `title` and `detail`. All of them also come with
status 200, as whole bodies and as events of a stream.
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from typing import Any, Final

JsonObject = dict[str, Any]

CORE_DIED: Final = "EngineCore encountered an issue"
"""How vLLM begins to say that its engine core has died. 0.13 calls it the caller's fault."""

_MAX_REASON: Final = 2000
_MAX_REASONS: Final = 5
"""Of a list, as FastAPI sends one for each wrong field."""

_STATUS_FIELDS: Final = (
    "code",
    "status",
    "status_code",
    "statusCode",
    "http_status_code",
    "http_status",
)
_WORD_FIELDS: Final = ("code", "type", "error_type", "status", "name", "__type")
_REASON_FIELDS: Final = ("message", "msg", "detail", "error", "text", "reason", "title", "errors")

ERROR_FIELDS: Final = frozenset(
    {"error", "object", "msg", *_STATUS_FIELDS, *_WORD_FIELDS, *_REASON_FIELDS}
)
"""What is looked for in a document that may be an error."""

ANSWER_FIELDS: Final = frozenset(
    {"choices", "data", "results", "output", "content", "usage", "embeddings", "input_tokens"}
)
"""What only an answer has. A document with one of them is no error for a `message` alone."""

_NOT_A_LETTER: Final = re.compile(r"[^a-z]+")

_WORDS: Final[tuple[tuple[str, int], ...]] = (
    ("enginedead", 500),
    ("invalidapikey", 401),
    ("authentication", 401),
    ("unauthorized", 401),
    ("unauthenticated", 401),
    ("permission", 403),
    ("forbidden", 403),
    ("ratelimit", 429),
    ("toomanyrequests", 429),
    ("quota", 429),
    ("resourceexhausted", 429),
    ("throttl", 429),
    ("overloaded", 503),
    ("unavailable", 503),
    ("loading", 503),
    ("capacity", 503),
    ("timeout", 504),
    ("timedout", 504),
    ("deadline", 504),
    ("notfound", 404),
    ("toolarge", 413),
    ("unprocessable", 422),
    ("notimplemented", 501),
    ("notsupported", 501),
    ("unimplemented", 501),
    ("contextlength", 400),
    ("contextsize", 400),
    ("contextwindow", 400),
    ("badrequest", 400),
    ("validation", 400),
    ("contentfilter", 400),
    ("contentpolicy", 400),
    ("unsupported", 400),
    ("missingrequired", 400),
    ("invalid", 400),
)
"""Parts of error codes and types, letters only, in the order in which they are looked for."""


def error_in(document: JsonObject) -> JsonObject | None:
    """Return the error that a document is or holds, or None if it is none.

    `"error"` with null, an empty value or nothing but empty values is no error: engines write it
    into every answer.
    """
    error: Any = document.get("error")
    if error:
        return _error_object(error, document)
    if document.get("object") == "error" or document.get("type") == "error":
        return document
    choices = document.get("choices")
    if isinstance(choices, list) and choices:
        return _error_of_choices(choices)
    if not ANSWER_FIELDS.isdisjoint(document):
        return None
    if document.get("detail") or document.get("errors"):
        return document
    if (document.get("message") or document.get("msg")) and _number(document):
        return document
    return None


def error_in_event(document: JsonObject) -> JsonObject | None:
    """Return the error that an event of a stream is or holds, or None.

    The Responses protocol tells of it inside the response that failed.
    """
    response = document.get("response")
    if document.get("type") == "response.failed" and isinstance(response, dict):
        return error_in(response) or response
    return error_in(document)


def status_of(error: JsonObject) -> int:
    """Return the HTTP status that an error amounts to; 500 if it does not say.

    A dead core is never the caller's fault, whatever vLLM writes beside it.
    """
    if core_died(error):
        return 500
    number = _number(error)
    if number:
        return 503 if number == 529 else number
    for field in _WORD_FIELDS:
        word = error.get(field)
        if isinstance(word, str):
            letters = _NOT_A_LETTER.sub("", word.lower())
            for part, status in _WORDS:
                if part in letters:
                    return status
    return 500


def core_died(error: JsonObject) -> bool:
    """Return whether an error is how vLLM says that its engine core has died."""
    message = error.get("message")
    return isinstance(message, str) and message.startswith(CORE_DIED)


def reason_in(document: Any) -> str:
    """Return the sentence for humans in an error, whatever its form; empty if there is none."""
    return _reason(document, 0)[:_MAX_REASON].strip()


def field_in(document: Any) -> str | None:
    """Return the first field that FastAPI's list of wrong fields names, or None."""
    detail = document.get("detail") if isinstance(document, dict) else None
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        return _place(detail[0].get("loc")) or None
    return None


def _error_object(error: Any, document: JsonObject) -> JsonObject | None:
    if isinstance(error, dict):
        return error if any(error.values()) else None
    # TGI has `error_type` beside it, Spring a `message`; the rest of the document says more.
    rest = {name: value for name, value in document.items() if name != "error"}
    message = rest.get("message")
    if not isinstance(error, str):
        return {**rest, "message": message if isinstance(message, str) else reason_in(error)}
    told = f"{error}: {message}" if isinstance(message, str) and message else error
    return {**rest, "message": told}


def _error_of_choices(choices: list[Any]) -> JsonObject | None:
    """Return the error of the first choice, if every choice has one."""
    first: JsonObject | None = None
    for choice in choices:
        error = choice.get("error") if isinstance(choice, dict) else None
        if not isinstance(error, dict) or not any(error.values()):
            return None
        first = first or error
    return first


def _number(error: JsonObject) -> int:
    """Return the status that an error names as a number or as digits; 0 if none."""
    for field in _STATUS_FIELDS:
        value = error.get(field)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
            value = int(value)
        if value.__class__ is int and 400 <= value < 600:
            return int(value)
    return 0


def _reason(part: Any, depth: int) -> str:
    if isinstance(part, str):
        return part
    if depth > 4:
        return ""
    if isinstance(part, list):
        reasons = [_reason(each, depth + 1) for each in part[:_MAX_REASONS]]
        return "; ".join([reason for reason in reasons if reason])
    if not isinstance(part, dict):
        return ""
    for field in _REASON_FIELDS:
        reason = _reason(part.get(field), depth + 1)
        if reason:
            place = _place(part.get("loc"))
            return f"{place}: {reason}" if place else reason
    return ""


def _place(location: Any) -> str:
    """Return where pydantic found a fault: `messages.0.role`."""
    if not isinstance(location, list):
        return ""
    parts = [str(part) for part in location if isinstance(part, str | int)]
    return ".".join(parts[1:] if parts[:1] == ["body"] else parts)
