"""What came back from an engine, before anything of it has gone to the client."""

from __future__ import annotations

from collections.abc import Mapping

from llm_provider.errors import StreamInterrupted
from llm_provider.provider import Relay
from querylake_api.inference.catalog import Target
from querylake_api.inference.refusals import honest_status


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
        return Answer(target, honest_status(relay.status, body), headers, body, None)
    first = await relay.piece()
    if first:
        return Answer(target, relay.status, headers, first, relay)
    raise StreamInterrupted(target.upstream, 0, "it ended before it began")
