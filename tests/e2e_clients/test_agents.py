"""Agent frameworks, as their users set them up."""

from __future__ import annotations

from typing import Any, Literal

import instructor
import openai
from agents import Agent, ModelSettings, RunConfig, Runner, function_tool
from agents.models.openai_provider import OpenAIProvider
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, SecretStr

from e2e_testing.stack import Stack

QUESTION = "What is the weather in Paris?"


class City(BaseModel):
    """Where a city is."""

    country: Literal["France", "Italy"]


@tool
def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


def chat(stack: Stack) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{stack.url}/v1",
        api_key=SecretStr(stack.key),
        model="default",
        temperature=0,
        max_completion_tokens=60,
        max_retries=0,
        timeout=120,
    )


def test_langchain_s_agent_uses_a_tool(stack: Stack) -> None:
    call = {"name": "weather", "args": {"city": "Rome"}, "id": "call_1"}
    # After one example, even this model calls by itself.
    history = [
        HumanMessage("What is the weather in Rome?"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("It is sunny in Rome.", tool_call_id="call_1"),
        AIMessage("It is sunny in Rome."),
        HumanMessage(QUESTION),
    ]
    agent = create_agent(chat(stack), [weather])
    state: Any = {"messages": history}
    result = agent.invoke(state, RunnableConfig(recursion_limit=5))

    called, answered, *_ = result["messages"][len(history) :]
    assert called.tool_calls[0]["args"] == {"city": "Paris"}
    assert answered.content == "It is sunny in Paris."


def test_langchain_binds_a_tool(stack: Stack) -> None:
    bound = chat(stack).bind_tools([weather], tool_choice="weather")
    (call,) = bound.invoke(QUESTION).tool_calls
    assert call["name"] == "weather"
    assert isinstance(call["args"]["city"], str)


def test_langchain_s_structured_output_by_a_function(stack: Stack) -> None:
    structured = chat(stack).with_structured_output(City, method="function_calling")
    assert isinstance(structured.invoke("Which country is the city Paris in?"), City)


def test_instructor_in_its_default_mode(stack: Stack) -> None:
    client = instructor.from_openai(stack.client())
    city = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "Which country is the city Paris in?"}],
        response_model=City,
        temperature=0,
        max_tokens=60,
    )
    assert city.country in ("France", "Italy")


async def test_openai_s_agents_in_their_default_mode(stack: Stack) -> None:
    """They ask /v1/responses, and stream."""

    @function_tool
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"It is sunny in {city}."

    client = openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, timeout=120)
    agent = Agent(
        name="assistant",
        model="default",
        tools=[get_weather],
        model_settings=ModelSettings(temperature=0, max_tokens=60, tool_choice="required"),
        tool_use_behavior="stop_on_first_tool",
    )
    provider = OpenAIProvider(openai_client=client)
    config = RunConfig(model_provider=provider, tracing_disabled=True)
    streamed = Runner.run_streamed(agent, QUESTION, run_config=config)
    async for _ in streamed.stream_events():
        pass
    await client.close()
    assert str(streamed.final_output).startswith("It is sunny in ")
