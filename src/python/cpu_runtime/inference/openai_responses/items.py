"""The items that a response consists of, and the response around them."""

from __future__ import annotations

import time
import uuid
from typing import Any

import orjson

from cpu_runtime.errors import RequestError
from cpu_runtime.inference.openai_responses.request import INPUT, ResponseRequest

Document = dict[str, Any]


def new_response(request: ResponseRequest, model: str) -> Document:
    """Return a response that has just begun."""
    return {
        "id": _identity("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        **request.asked,
        "model": model,
        "output": [],
        "usage": None,
        "user": None,
    }


def finished(response: Document, output: list[Document], reason: str, usage: Document) -> Document:
    """Return a response at its end.

    Args:
        reason: of the end, in the word of a chat.
    """
    cut = reason == "length"
    return {
        **response,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "usage": _usage(usage),
    }


def failed(response: Document, error: RequestError) -> Document:
    """Return a response that broke off."""
    code = "rate_limit_exceeded" if error.status == 429 else "server_error"
    return {**response, "status": "failed", "error": {"code": code, "message": error.message}}


def new_message() -> Document:
    """Return the item of a text that begins."""
    return {
        "id": _identity("msg"),
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }


def text_part(text: str) -> Document:
    """Return the part of a message that holds its text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def new_reasoning() -> Document:
    """Return the item of thoughts that begin."""
    return {
        "id": _identity("rs"),
        "type": "reasoning",
        "status": "in_progress",
        "summary": [],
        "content": [],
    }


def reasoning_part(text: str) -> Document:
    """Return the part of a reasoning item that holds its text."""
    return {"type": "reasoning_text", "text": text}


def new_call(identity: str, name: str, free_form: bool) -> Document:
    """Return the item of a call that begins."""
    kind, field = ("custom_tool_call", "input") if free_form else ("function_call", "arguments")
    return {
        "id": _identity("ctc" if free_form else "fc"),
        "type": kind,
        "status": "in_progress",
        "call_id": identity,
        "name": name,
        field: "",
    }


def free_text(arguments: str) -> str:
    """Return the text in the arguments of a free-form call; if they were cut, what there is."""
    try:
        value = orjson.loads(arguments)[INPUT]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return arguments
    return value if isinstance(value, str) else arguments


def _usage(usage: Document) -> Document:
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage.get("prompt_tokens", 0),
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": usage.get("completion_tokens", 0),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.get("total_tokens", 0),
    }


def _identity(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"
