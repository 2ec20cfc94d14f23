"""Anthropic's official Python client. Its base URL is without `/v1`, which it adds itself."""

from __future__ import annotations

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam

from e2e_testing.stack import Stack

QUESTION: list[MessageParam] = [{"role": "user", "content": "What is the capital of France?"}]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "Tells the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
    },
}
COLD = {"temperature": 0}
"""The client has no argument for it any more."""


@pytest.fixture
def client(stack: Stack) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=stack.url, api_key=stack.key, max_retries=0, timeout=120)


def test_a_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="default", max_tokens=20, messages=QUESTION, extra_body=COLD
    )
    (block,) = message.content
    assert block.type == "text"
    assert "Paris" in block.text
    assert (message.model, message.stop_reason) == ("default", "end_turn")
    assert message.usage.output_tokens > 0


def test_a_stream_counts_the_prompt_first(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model="default", max_tokens=20, messages=QUESTION, extra_body=COLD
    ) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert kinds[0] == "message_start"
    assert kinds[-1] == "message_stop"
    assert kinds.count("text") > 3
    counted = client.messages.count_tokens(model="default", messages=QUESTION)
    assert message.usage.input_tokens == counted.input_tokens > 0


def test_a_call_of_a_tool_and_its_result(client: anthropic.Anthropic) -> None:
    asked: list[MessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
    with client.messages.stream(
        model="default",
        max_tokens=120,
        messages=asked,
        tools=[WEATHER],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
        extra_body=COLD,
    ) as stream:
        message = stream.get_final_message()
    (call,) = message.content
    assert call.type == "tool_use"
    assert (call.name, message.stop_reason) == ("weather", "tool_use")
    assert isinstance(call.input["city"], str)
    result: ToolResultBlockParam = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": "sunny",
    }
    after = client.messages.create(
        model="default",
        max_tokens=20,
        messages=[
            *asked,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ],
        tools=[WEATHER],
        extra_body=COLD,
    )
    assert after.content


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="default",
        max_tokens=20,
        messages=QUESTION,
        stop_sequences=[" of"],
        extra_body=COLD,
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " of")


def test_errors_are_the_client_s_own(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long: [0-9]+ tokens"):
        client.messages.create(
            model="default",
            max_tokens=5,
            messages=[{"role": "user", "content": "word " * 9000}],
        )
    with pytest.raises(anthropic.NotFoundError, match="nothing-of-the-kind"):
        client.messages.create(model="nothing-of-the-kind", max_tokens=5, messages=QUESTION)
