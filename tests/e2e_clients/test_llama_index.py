"""LlamaIndex, as its users set up an OpenAI-compatible server."""

from __future__ import annotations

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.embeddings.openai_like import OpenAILikeEmbedding  # type: ignore[import-untyped]
from llama_index.llms.openai_like import OpenAILike  # type: ignore[import-untyped]

from e2e_testing.stack import CHAT_MODEL, EMBEDDING_MODEL, Stack

QUESTION = [ChatMessage(role=MessageRole.USER, content="What is the capital of France?")]


def llm(stack: Stack, *, is_chat_model: bool = True) -> OpenAILike:
    return OpenAILike(
        model=CHAT_MODEL,
        api_base=f"{stack.url}/v1",
        api_key=stack.key,
        is_chat_model=is_chat_model,
        context_window=1024,
        max_tokens=16,
        temperature=0.0,
        max_retries=0,
        timeout=120.0,
    )


def test_an_answer(stack: Stack) -> None:
    assert "Paris" in (llm(stack).chat(QUESTION).message.content or "")


def test_a_stream(stack: Stack) -> None:
    pieces = list(llm(stack).stream_chat(QUESTION))
    assert "".join(piece.delta or "" for piece in pieces) == pieces[-1].message.content
    assert "Paris" in (pieces[-1].message.content or "")
    assert len(pieces) > 3


async def test_an_answer_without_waiting(stack: Stack) -> None:
    assert "Paris" in ((await llm(stack).achat(QUESTION)).message.content or "")


def test_a_completion(stack: Stack) -> None:
    answer = llm(stack, is_chat_model=False).complete("The capital of France is")
    assert "Paris" in answer.text


def test_embeddings(stack: Stack) -> None:
    embedding = OpenAILikeEmbedding(
        model_name=EMBEDDING_MODEL, api_base=f"{stack.url}/v1", api_key=stack.key, max_retries=0
    )
    one, other = embedding.get_text_embedding_batch(["A cat sleeps.", "The rate rose by 2%."])
    assert len(one) == 384
    assert one != other
