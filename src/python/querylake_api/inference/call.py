"""One request to a model, understood just far enough to be passed on."""

# compiled: runs for each request.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_provider.json_text import reason
from llm_provider.model_rewrite import (
    Edit,
    edited,
    may_name_several_models,
    rewrite_request_model,
)
from llm_provider.provider import JsonObject
from llm_provider.stream_usage import asks_for_usage, usage_edits, with_stream_usage
from querylake_api.inference.bridge import Bridge
from querylake_api.inference.catalog import Model, Target
from querylake_api.inference.errors import (
    invalid_json,
    missing_model,
    not_an_object,
    stream_unsupported,
    wrong_model_type,
    wrong_stream_type,
)
from querylake_api.inference.large_body import MODEL, STREAM_OPTIONS, Places
from querylake_api.inference.protocols import CHUNKS, StreamProtocol
from querylake_api.inference.rerank import RerankForm
from querylake_api.keys.models import ApiKey
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import Workload
from querylake_api.settings import Capability


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route that carries requests to models.

    Attributes:
        path: where clients find it.
        upstream_path: where it is below an engine's base URL.
        capability: what a model must be able to do.
        streams: whether `stream: true` means anything here.
        stream_options: whether `stream_options` does.
        protocol: what its streams are in.
        reranks: whether its answers have the form that `inference.rerank` gives them.
        optional: whether engines may do without it.
        inputs: the field with texts, which may be tokens instead; None where there are no tokens.
    """

    path: str
    upstream_path: str
    capability: Capability
    streams: bool
    stream_options: bool = False
    protocol: StreamProtocol = CHUNKS
    reranks: bool = False
    optional: bool = False
    inputs: str | None = None


# Plain classes, as `Answer` and the parts of a record are: what makes a tuple or a dataclass would
# not be compiled.


class Wish:
    """What a request's body says that concerns us.

    Attributes:
        name: what the client calls the model.
        stream: whether the client wants a stream.
        stream_options: as they came; None if there are none.
        body: all of it.
    """

    __slots__ = ("body", "name", "stream", "stream_options")

    def __init__(
        self, name: str, stream: bool, body: JsonObject, stream_options: Any = None
    ) -> None:
        self.name = name
        self.stream = stream
        self.body = body
        self.stream_options = stream_options


class Call:
    """A request whose model is known and may be used.

    Attributes:
        name: what the client called the model, and will see in the answer.
        body: the request as it came.
        stream: whether the client wants a stream.
        stream_options: as they came; None if there are none.
        forwarded: headers of the client that the engine gets, too.
        rerank: the form that the answer is to have, if it is one of reranking.
        tokens: an estimate of how many it takes; 0 where nobody counts them.
        prompt_tokens: the part of it that the request itself is.
        places: where values lie in a large body; None for one that is small enough to be looked
            through for each engine.
        head: what its conversation begins with; None where replicas are chosen by load alone.
        bridge: what the answer goes over; None for one that is passed on as it is.
        hides_usage: whether a usage chunk in the answer would be one that the client did not ask
            for.
    """

    __slots__ = (
        "body",
        "bridge",
        "endpoint",
        "forwarded",
        "head",
        "hides_usage",
        "identity",
        "key",
        "model",
        "name",
        "places",
        "prompt_tokens",
        "rerank",
        "stream",
        "stream_options",
        "tokens",
        "workload",
    )

    def __init__(
        self,
        endpoint: Endpoint,
        model: Model,
        name: str,
        body: bytes,
        stream: bool,
        key: ApiKey,
        identity: RequestIdentity,
        workload: Workload,
        stream_options: Any = None,
        rerank: RerankForm | None = None,
        tokens: int = 0,
        prompt_tokens: int = 0,
        forwarded: Mapping[str, str] | None = None,
        places: Places | None = None,
        head: int | None = None,
        bridge: Bridge | None = None,
    ) -> None:
        self.bridge = bridge
        self.head = head
        self.endpoint = endpoint
        self.model = model
        self.name = name
        self.body = body
        self.stream = stream
        self.key = key
        self.identity = identity
        self.workload = workload
        self.stream_options = stream_options
        self.rerank = rerank
        self.tokens = tokens
        self.prompt_tokens = prompt_tokens
        self.forwarded = forwarded
        self.places = places
        self.hides_usage = stream and endpoint.stream_options and not asks_for_usage(stream_options)

    def bridged(self, body: bytes, bridge: Bridge) -> Call:
        """Return the same request with another body, whose answer goes over a bridge."""
        return Call(
            self.endpoint,
            self.model,
            self.name,
            body,
            self.stream,
            self.key,
            self.identity,
            self.workload,
            self.stream_options,
            self.rerank,
            self.tokens,
            self.prompt_tokens,
            self.forwarded,
            None,
            self.head,
            bridge,
        )

    def body_for(self, target: Target) -> bytes:
        """Return the body for an engine, with nothing changed but the model's name there.

        And, where it can be asked, that a stream shall tell its usage.
        """
        if self.places is not None:
            return edited(self.body, self._edits(self.places, target))
        body = self.body
        # Of several `model` keys our parser takes the last one, and an engine's may take the first:
        # it must not find a name there that the key's allow-list was never asked about.
        if target.model != self.name or may_name_several_models(body):
            body = rewrite_request_model(body, target.model)
        if target.engine.stream_usage and self.hides_usage:
            body = with_stream_usage(body, self.stream_options)
        return body

    def _edits(self, places: Places, target: Target) -> list[Edit]:
        """Return what `body_for` changes, where that was looked for before."""
        body = self.body
        edits: list[Edit] = []
        models = [span for span in places[MODEL] if body.startswith(b'"', span[0])]
        if target.model != self.name or len(models) > 1:
            name = orjson.dumps(target.model)
            edits += [(start, end, name) for start, end in models]
        if target.engine.stream_usage and self.hides_usage:
            spans = [
                span
                for span in places[STREAM_OPTIONS]
                if body.startswith((b"{", b"[", b"null"), span[0])
            ]
            edits += usage_edits(body, spans, self.stream_options)
        return edits


def parse_body(body: bytes, endpoint: Endpoint) -> Wish:
    """Return what the body asks for.

    Raises:
        ApiError: 400, naming the field that is wrong.
    """
    request = _parse_object(body)
    name = request.get("model")
    if name is None:
        raise missing_model()
    if not isinstance(name, str) or not name:
        raise wrong_model_type()
    stream = request.get("stream")
    if stream is None or stream is False:
        return Wish(name, False, request)
    if stream is not True:
        raise wrong_stream_type()
    if not endpoint.streams:
        raise stream_unsupported(endpoint.path)
    return Wish(name, True, request, request.get("stream_options"))


def _parse_object(body: bytes) -> JsonObject:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid_json(reason(error)) from None
    if not isinstance(request, dict):
        raise not_an_object()
    return request
