"""One of the two engines: what parity asks of it over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from answer_parity.answers import Answer, answer_of, document_of_stream
from answer_parity.contract import Contract, NotAContract, contract_of
from upgrade_gates.errors import EngineUnusable

_CHAT = "/chat/completions"


@dataclass(frozen=True, slots=True)
class Token:
    """A token of a prompt, as an engine scores it.

    Attributes:
        logprob: the logarithm of its probability, given all before it.
        top: the id of the token that was most likely there.
    """

    logprob: float
    top: int


class Engine:
    """An engine that speaks OpenAI's protocol.

    Args:
        name: `old` or `new`, for messages.
        base_url: up to and with `/v1`.
        model: its name there; None takes the only one, or the first.
        key: its own key.
        seconds: how long one request may take.
        transport: carries the requests; None for plain HTTP.

    Attributes:
        requests: how many it was sent.
        generating: how many of them made it generate or score tokens.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str | None,
        key: str | None,
        seconds: float,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.requests = 0
        self.generating = 0
        self._model = model
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=seconds,
            transport=transport,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def model(self) -> str:
        """Return the name of the model that is compared.

        Raises:
            EngineUnusable: the engine does not answer, or serves none.
        """
        if self._model is None:
            served = (await self._get(f"{self.base_url}/models")).get("data") or []
            if not served:
                raise EngineUnusable(f"the {self.name} engine at {self.base_url} serves no model")
            self._model = str(served[0]["id"])
        return self._model

    async def version(self) -> str | None:
        """Return the release that runs, or None if the engine does not tell."""
        try:
            return str((await self._get(f"{self._root}/version"))["version"])
        except (EngineUnusable, KeyError):
            return None

    async def contract(self) -> Contract | None:
        """Return what it takes, or None if it has no OpenAPI document."""
        try:
            return contract_of(await self._get(f"{self._root}/openapi.json"))
        except (EngineUnusable, NotAContract):
            return None

    async def answer(self, body: Mapping[str, Any]) -> Answer:
        """Send a chat, and return the response.

        Raises:
            EngineUnusable: nobody answers. A refusal is an answer.
        """
        response = await self._post(f"{self.base_url}{_CHAT}", {**body, "stream": False})
        return answer_of(response.status_code, _document(response))

    async def streamed(self, body: Mapping[str, Any]) -> Answer:
        """Send a chat as a stream, and return what the stream amounts to."""
        wanted = {**body, "stream": True, "stream_options": {"include_usage": True}}
        response = await self._post(f"{self.base_url}{_CHAT}", wanted)
        if response.status_code != httpx.codes.OK:
            return answer_of(response.status_code, _document(response))
        return answer_of(200, document_of_stream(_events(response.text)))

    async def rendered(self, body: Mapping[str, Any]) -> tuple[int, ...] | None:
        """Return the tokens of a chat's prompt, or None if the engine does not tell."""
        wanted = {name: body[name] for name in ("messages", "tools") if name in body}
        return await self._tokenized({**wanted, "add_generation_prompt": True})

    async def tokens(self, text: str) -> tuple[int, ...] | None:
        """Return the tokens of a text without any template, or None if the engine does not tell."""
        return await self._tokenized({"prompt": text, "add_special_tokens": False})

    async def scored(self, tokens: Sequence[int]) -> list[Token | None] | None:
        """Return each token's score, None for the first; None if the engine cannot score."""
        wanted = {"prompt": list(tokens), "max_tokens": 1, "temperature": 0, "prompt_logprobs": 1}
        response = await self._post(f"{self.base_url}/completions", wanted)
        self.require_sound(response.status_code, "a text to score")
        if response.status_code != httpx.codes.OK:
            return None
        choice = (_document(response).get("choices") or [{}])[0]
        said = choice.get("prompt_logprobs")
        if not isinstance(said, list) or len(said) != len(tokens):
            return None
        return [_token(each, token) for each, token in zip(said, tokens, strict=True)]

    async def vectors(self, texts: Sequence[str]) -> list[list[float]] | None:
        """Return the texts' vectors, or None if the engine is no embedder."""
        response = await self._post(f"{self.base_url}/embeddings", {"input": list(texts)})
        items = _document(response).get("data") if response.is_success else None
        if not isinstance(items, list) or len(items) != len(texts):
            return None
        ordered = sorted(items, key=lambda item: int(item["index"]))
        return [[float(number) for number in item["embedding"]] for item in ordered]

    async def relevances(self, query: str, documents: Sequence[str]) -> list[float] | None:
        """Return each document's score, or None if the engine is no reranker."""
        wanted = {"query": query, "documents": list(documents)}
        response = await self._post(f"{self.base_url}/rerank", wanted)
        results = _document(response).get("results") if response.is_success else None
        if not isinstance(results, list) or len(results) != len(documents):
            return None
        scores = [0.0] * len(documents)
        for result in results:
            scores[int(result["index"])] = float(result["relevance_score"])
        return scores

    def require_sound(self, status: int, what: str) -> None:
        """Refuse to go on with an engine that fails where nothing asks for it: it has crashed.

        Its API server may still answer everything else, and comparisons would find no difference.

        Raises:
            EngineUnusable: the status is 500 or above.
        """
        if status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise EngineUnusable(
                f"the {self.name} engine at {self.base_url} answers {what} with status {status}; "
                "see its log, start it again, and compare again"
            )

    @property
    def _root(self) -> str:
        return self.base_url.removesuffix("/v1")

    async def _tokenized(self, wanted: Mapping[str, Any]) -> tuple[int, ...] | None:
        response = await self._post(f"{self._root}/tokenize", wanted)
        tokens = _document(response).get("tokens") if response.is_success else None
        return tuple(tokens) if isinstance(tokens, list) else None

    async def _get(self, url: str) -> Mapping[str, Any]:
        try:
            response = await self._client.get(url)
            response.raise_for_status()
        except httpx.HTTPError as error:
            raise EngineUnusable(self._unreachable(error)) from None
        return _document(response)

    async def _post(self, url: str, body: Mapping[str, Any]) -> httpx.Response:
        self.requests += 1
        self.generating += url.endswith("/completions")
        try:
            return await self._client.post(url, json={"model": await self.model(), **body})
        except httpx.HTTPError as error:
            raise EngineUnusable(self._unreachable(error)) from None

    def _unreachable(self, error: httpx.HTTPError) -> str:
        reason = str(error) or type(error).__name__
        return f"the {self.name} engine at {self.base_url} does not answer: {reason}"


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {"message": response.text[:500]}
    return document if isinstance(document, Mapping) else {}


def _events(text: str) -> Iterator[Mapping[str, Any]]:
    """Yield the events of a whole stream. vLLM and llama.cpp write one line of data for each."""
    for line in text.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if data and data != "[DONE]":
            event = json.loads(data)
            if isinstance(event, Mapping):
                yield event


def _token(said: object, token: int) -> Token | None:
    """Read one position of `prompt_logprobs`: scores by token id, of the token and of the best."""
    if not isinstance(said, Mapping) or str(token) not in said:
        return None
    best = min(said.items(), key=lambda each: each[1].get("rank") or 1_000_000)
    return Token(float(said[str(token)]["logprob"]), int(best[0]))
