"""Responses, messages, and calls of tools by real vLLM."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest
from openai.types.chat import (
    ChatCompletionFunctionToolParam,
    ChatCompletionMessageFunctionToolCall,
)
from openai.types.responses import ResponseCompletedEvent

from e2e_testing.stack import Stack

QUESTION = "What is the capital of France?"
SECONDS = 120.0
MESSAGE = {
    "model": "default",
    "max_tokens": 12,
    "temperature": 0,
    "messages": [{"role": "user", "content": QUESTION}],
}
WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def client(stack: Stack) -> openai.OpenAI:
    return stack.client().with_options(timeout=SECONDS)


def test_a_response(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model="default", input=QUESTION, temperature=0, max_output_tokens=12
    )
    assert "Paris" in answer.output_text
    assert answer.model == "default"
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0


def test_a_streamed_response(client: openai.OpenAI) -> None:
    events = list(
        client.responses.create(
            model="default", input=QUESTION, temperature=0, max_output_tokens=12, stream=True
        )
    )
    text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert "Paris" in text
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.model == "default"


def test_messages(stack: Stack) -> None:
    answer = httpx.post(
        f"{stack.url}/v1/messages", json=MESSAGE, headers={"x-api-key": stack.key}, timeout=SECONDS
    ).json()
    assert (answer["type"], answer["model"]) == ("message", "default")
    assert "Paris" in answer["content"][0]["text"]
    assert answer["usage"]["output_tokens"] > 0


def test_streamed_messages(stack: Stack) -> None:
    events: list[dict[str, Any]] = []
    with httpx.stream(
        "POST",
        f"{stack.url}/v1/messages",
        json={**MESSAGE, "stream": True},
        headers={"x-api-key": stack.key},
        timeout=SECONDS,
    ) as answer:
        for line in answer.iter_lines():
            data = line.removeprefix("data: ")
            if data != line and data != "[DONE]":
                events.append(json.loads(data))
    assert events[0]["type"] == "message_start"
    assert events[0]["message"]["model"] == "default"
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "Paris" in "".join(delta.get("text", "") for delta in deltas)
    assert events[-1]["type"] == "message_stop"


def test_the_call_of_a_tool(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "What is the weather in Paris?"}],
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        temperature=0,
        max_tokens=40,
    )
    calls = answer.choices[0].message.tool_calls or []
    assert [call.type for call in calls] == ["function"]
    assert isinstance(calls[0], ChatCompletionMessageFunctionToolCall)
    assert calls[0].function.name == "weather"
    assert calls[0].function.arguments  # this version leaves their form to the model
