"""What came back from an engine, before anything of it has gone to the client."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from llm_provider.errors import StreamInterrupted
from llm_provider.provider import Relay
from querylake_api.inference.catalog import Target

_CORE_DIED = "EngineCore encountered an issue"


class Answer:
    """An engine's answer: whole, or the beginning of a stream.

    Attributes:
        target: who sent it.
        headers: with lower-case names.
        body: all of it; of a stream its first piece, which is never empty.
        rest: what brings the further pieces of a stream; None for a whole answer.
    """

    __slots__ = ("body", "headers", "rest", "status", "target")

    def __init__(
        self,
        target: Target,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        rest: Relay | None,
    ) -> None:
        self.target = target
        self.status = status
        self.headers = headers
        self.body = body
        self.rest = rest


async def begun(relay: Relay, target: Target, *, stream: bool) -> Answer:
    """Return an answer as soon as it can be passed on.

    Args:
        stream: whether the client wants one; an engine may refuse in a document.

    Raises:
        ProviderError: it broke off, or took too long.
    """
    headers = relay.headers
    if not (
        stream
        and 200 <= relay.status < 300
        and headers.get("content-type", "").startswith("text/event-stream")
    ):
        body = await relay.read()
        return Answer(target, _honest(relay.status, body), headers, body, None)
    first = await relay.piece()
    if first:
        return Answer(target, relay.status, headers, first, relay)
    raise StreamInterrupted(target.upstream, 0, "it ended before it began")


def _honest(status: int, body: bytes) -> int:
    """Return the status of an answer, or 500 for a refusal that is no fault of the caller's.

    vLLM 0.13 answers embeddings with 400 that were under way when its engine core died.
    """
    if not 400 <= status < 500:
        return status
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return status
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return 500 if isinstance(message, str) and message.startswith(_CORE_DIED) else status
