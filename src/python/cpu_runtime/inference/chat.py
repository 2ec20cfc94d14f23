"""Requests for /v1/chat/completions. https://platform.openai.com/docs/api-reference/chat"""

from __future__ import annotations

from cpu_runtime.errors import invalid
from cpu_runtime.inference.calls.description import with_description
from cpu_runtime.inference.calls.grammar import schema_of
from cpu_runtime.inference.fields import Body, check_boolean, check_integer, require
from cpu_runtime.inference.generation import Generation, generation
from cpu_runtime.inference.messages import messages_of
from cpu_runtime.inference.response_format import as_response_format, take_schema
from cpu_runtime.inference.tools import Tools, take_tools

PATH = "/v1/chat/completions"

_TEXT: Body = {"type": "string"}


def chat(body: Body, *, template_has_tools: bool) -> Generation:
    """Return the request for text that a body is.

    Args:
        template_has_tools: whether the model's chat template knows of tools and their calls.

    Raises:
        RequestError: it is none, or asks for what the model does not have.
    """
    messages = messages_of(require(body, "messages"))
    check_boolean(body, "logprobs")
    check_integer(body, "top_logprobs", 0, 20)
    if body.get("top_logprobs") and not body.get("logprobs"):
        raise invalid("'top_logprobs' is only allowed when 'logprobs' is true.", "top_logprobs")
    tools = take_tools(body)
    schema = take_schema(body)
    body["messages"] = messages if template_has_tools else with_description(messages, tools)
    held = None if tools is None else _held(tools, schema, template_has_tools)
    if tools is not None and template_has_tools:
        body["tools"] = list(tools.definitions)
        body["parallel_tool_calls"] = tools.parallel
    if (wanted := held or schema) is not None:
        body["response_format"] = as_response_format(wanted)
    return generation(
        PATH,
        body,
        "messages",
        holds_calls=held is not None,
        schema_field="tools" if held is not None or schema is None else "response_format",
    )


def _held(tools: Tools, schema: Body | None, template_has_tools: bool) -> Body | None:
    """Return the schema by which a grammar holds calls; None if the template's own way will do."""
    if tools.choice == "required":
        return schema_of(tools)
    if schema is not None:
        return schema_of(tools, schema)
    return None if template_has_tools else schema_of(tools, _TEXT)
