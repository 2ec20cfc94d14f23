"""LangChain, as its users set it up: base URL, key, model name."""

from __future__ import annotations

from typing import Literal

from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from e2e_testing.stack import EMBEDDING_MODEL, Stack


class City(BaseModel):
    """Where a city is."""

    country: Literal["France", "Italy"]


def chat(stack: Stack) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{stack.url}/v1",
        api_key=SecretStr(stack.key),
        model="default",
        temperature=0,
        max_completion_tokens=24,
        max_retries=0,
        timeout=120,
    )


def test_an_answer(stack: Stack) -> None:
    answer = chat(stack).invoke([HumanMessage("What is the capital of France?")])
    assert "Paris" in answer.text
    assert answer.response_metadata["finish_reason"] in ("stop", "length")
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0


def test_a_stream_with_usage(stack: Stack) -> None:
    whole: AIMessageChunk | None = None
    pieces = 0
    for chunk in chat(stack).stream("What is the capital of France?", stream_usage=True):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
        pieces += bool(chunk.text)
    assert whole is not None
    assert "Paris" in whole.text
    assert pieces > 3
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["total_tokens"] > 0


def test_a_chain_in_a_batch(stack: Stack) -> None:
    prompt = ChatPromptTemplate.from_template("What is the capital of {country}?")
    chain = prompt | chat(stack) | StrOutputParser()
    # Twice the same: so small a model knows one question, and not every wording of it.
    answers = chain.batch([{"country": "France"}, {"country": "France"}])
    assert ["Paris" in answer for answer in answers] == [True, True]


def test_structured_output(stack: Stack) -> None:
    structured = chat(stack).with_structured_output(City, method="json_schema")
    city = structured.invoke("Which country is the city Paris in?")
    assert city == City(country="France")


def test_embeddings(stack: Stack) -> None:
    embeddings = OpenAIEmbeddings(
        base_url=f"{stack.url}/v1",
        api_key=SecretStr(stack.key),
        model=EMBEDDING_MODEL,
        # Otherwise it asks OpenAI's tokenizer, which is not this model's.
        check_embedding_ctx_length=False,
    )
    vectors = embeddings.embed_documents(["A cat sleeps.", "The rate rose by 2%."])
    cat = embeddings.embed_query("A cat sleeps.")
    assert [len(vector) for vector in vectors] == [384, 384]
    assert sum(a * b for a, b in zip(cat, vectors[0], strict=True)) > 0.99
