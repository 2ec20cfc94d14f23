"""One request to a model, understood just far enough to be passed on."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from llm_provider.model_rewrite import rewrite_request_model
from llm_provider.provider import JsonObject
from querylake_api.inference.catalog import Model
from querylake_api.inference.errors import (
    invalid_json,
    missing_model,
    not_an_object,
    stream_unsupported,
    wrong_model_type,
    wrong_stream_type,
)
from querylake_api.keys.models import ApiKey
from querylake_api.settings import Capability


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route that carries requests to models.

    Attributes:
        path: where clients find it.
        upstream_path: where it is below an engine's base URL.
        capability: what a model must be able to do.
        streams: whether `stream: true` means anything here.
    """

    path: str
    upstream_path: str
    capability: Capability
    streams: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose model is known and may be used.

    Attributes:
        name: what the client called the model, and will see in the answer.
        body: the request as it came.
        stream: whether the client wants a stream.
    """

    endpoint: Endpoint
    model: Model
    name: str
    body: bytes
    stream: bool
    key: ApiKey
    request_id: str

    def body_for(self, upstream_model: str) -> bytes:
        """Return the body with the model's name as an engine knows it, and nothing else changed."""
        if upstream_model == self.name:
            return self.body
        return rewrite_request_model(self.body, upstream_model)


def parse_body(body: bytes, endpoint: Endpoint) -> tuple[str, bool]:
    """Return the model's name and whether a stream is wanted.

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
        return name, False
    if stream is not True:
        raise wrong_stream_type()
    if not endpoint.streams:
        raise stream_unsupported(endpoint.path)
    return name, True


def _parse_object(body: bytes) -> JsonObject:
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid_json(str(error)) from None
    if not isinstance(request, dict):
        raise not_an_object()
    return request
