"""Requests for /v1/chat/completions. https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from cpu_runtime.errors import invalid
from cpu_runtime.inference.fields import Body, check_boolean, check_integer, check_kind, require
from cpu_runtime.inference.generation import Generation, generation
from cpu_runtime.inference.messages import messages_of
from cpu_runtime.models.catalog import Model


def chat(body: Body, model: Model) -> Generation:
    """Return the request for text that a body is.

    Raises:
        RequestError: it is none, or asks for what the model does not have.
    """
    body["messages"] = messages_of(require(body, "messages"))
    check_boolean(body, "logprobs")
    check_integer(body, "top_logprobs", 0, 20)
    check_kind(body, "response_format", dict, "an object")
    check_kind(body, "tools", list, "a list")
    if body.get("tools") and body.get("tool_choice") != "none" and not model.tools:
        raise invalid(
            f"{model.name} does not know how to use tools; leave out 'tools'.",
            "tools",
            "unsupported_parameter",
        )
    return generation("/v1/chat/completions", body, "messages")
