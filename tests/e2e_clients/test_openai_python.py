"""The official Python client, with what applications use beyond a plain chat."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack

QUESTION: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "What is the capital of France?"}
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["city", "population"],
    "additionalProperties": False,
}


@pytest.fixture
def client(stack: Stack) -> openai.OpenAI:
    return stack.client()


def test_the_raw_response_has_its_request_id(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="default", messages=QUESTION, max_tokens=5
    )
    assert raw.headers["x-request-id"]
    assert raw.parse().model == "default"


def test_a_completion(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model=CHAT_MODEL, prompt="The capital of France is", temperature=0, max_tokens=5
    )
    assert "Paris" in answer.choices[0].text
    assert answer.model == CHAT_MODEL


def test_log_probabilities_pass_through(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="default",
        messages=QUESTION,
        temperature=0,
        max_tokens=3,
        logprobs=True,
        top_logprobs=2,
    )
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in logprobs.content)


def test_structured_output_passes_through(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "Describe the capital of France as JSON."}],
        temperature=0,
        max_tokens=60,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
        },
    )
    text = answer.choices[0].message.content or ""
    assert text.lstrip().startswith("{")
    assert '"city"' in text


def test_fields_of_the_engine_s_own_pass_through(client: openai.OpenAI) -> None:
    """Both engines know `min_p`, which OpenAI does not."""
    answer = client.chat.completions.create(
        model="default", messages=QUESTION, temperature=0, max_tokens=5, extra_body={"min_p": 0.1}
    )
    assert answer.choices[0].message.content


def test_the_stream_helper_accumulates(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="default", messages=QUESTION, temperature=0, max_tokens=20
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert "Paris" in (final.choices[0].message.content or "")


def test_many_at_once(stack: Stack) -> None:
    async def chats() -> list[str | None]:
        client = openai.AsyncOpenAI(base_url=f"{stack.url}/v1", api_key=stack.key, timeout=120)
        async with client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(
                        model="default", messages=QUESTION, temperature=0, max_tokens=12
                    )
                    for _ in range(8)
                )
            )
        return [answer.choices[0].message.content for answer in answers]

    assert all("Paris" in (text or "") for text in asyncio.run(chats()))


def test_embeddings_as_numbers_and_as_bytes_agree(client: openai.OpenAI) -> None:
    """The client asks for base64 by itself, and decodes it."""
    packed = client.embeddings.create(model=EMBEDDING_MODEL, input="a lake")
    plain = client.embeddings.create(
        model=EMBEDDING_MODEL, input=["a lake"], encoding_format="float"
    )
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)


def test_embeddings_of_tokens_are_those_of_their_text(client: openai.OpenAI) -> None:
    a_lake = [101, 1037, 2697, 102]  # as the model's own tokenizer has it
    text = client.embeddings.create(model=EMBEDDING_MODEL, input="a lake")
    tokens = client.embeddings.create(model=EMBEDDING_MODEL, input=[a_lake], dimensions=384)
    assert tokens.data[0].embedding == pytest.approx(text.data[0].embedding, abs=1e-3)


def test_dimensions_that_the_model_lacks_are_the_caller_s_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.embeddings.create(model=EMBEDDING_MODEL, input="a lake", dimensions=8)
    assert refused.value.param == "dimensions"


def test_a_prompt_that_is_too_long_is_the_caller_s_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="default", messages=[{"role": "user", "content": "lake " * 20_000}]
        )
    assert refused.value.body


def test_what_the_engine_cannot_do_is_an_openai_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client.images.generate(model="default", prompt="a lake")
    assert refused.value.status_code == 404
    assert refused.value.type
