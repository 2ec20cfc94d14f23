"""The routes that carry the traffic, as bare ASGI: one life of a request from key to last byte."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio
from typing import Final

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import send_error
from querylake_api.error_responses.unserved_urls import wrong_method
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Scope
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.call import Call, Endpoint, Wish, parse_body
from querylake_api.inference.catalog import Catalog, Model
from querylake_api.inference.census import FieldCensus
from querylake_api.inference.conversation_head import conversation_head
from querylake_api.inference.dispatch import Dispatcher
from querylake_api.inference.engine_request import EngineRequest
from querylake_api.inference.errors import from_provider
from querylake_api.inference.inputs import check_inputs
from querylake_api.inference.keep_alive import KeepAlive
from querylake_api.inference.large_body import LARGE_BYTES, places_in, prompt_tokens_of
from querylake_api.inference.protocols import MESSAGES, RESPONSES
from querylake_api.inference.rerank import RerankForm, understood
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.models import ApiKey
from querylake_api.keys.models import Scope as KeyScope
from querylake_api.limits.estimate import answer_tokens, estimated_tokens
from querylake_api.limits.limiter import Limiter
from querylake_api.requests.body import read_body
from querylake_api.requests.disconnect import ClientLeft, WhileConnected
from querylake_api.requests.handling import Handling
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import CLIENT_CLOSED, ResponseEnding, Workload
from querylake_api.settings import GENERATION, ServerSettings

ENDPOINTS: Final = (
    Endpoint("/v1/chat/completions", "/chat/completions", "chat", True, True),
    Endpoint("/v1/completions", "/completions", "completions", True, True, inputs="prompt"),
    Endpoint("/v1/responses", "/responses", "responses", True, protocol=RESPONSES),
    Endpoint("/v1/messages", "/messages", "messages", True, protocol=MESSAGES),
    Endpoint(
        "/v1/messages/count_tokens",
        "/messages/count_tokens",
        "messages",
        streams=False,
        protocol=MESSAGES,
        optional=True,
    ),
    Endpoint("/v1/embeddings", "/embeddings", "embeddings", streams=False, inputs="input"),
    *(
        # Where Jina, Cohere and vLLM have it.
        Endpoint(path, "/rerank", "rerank", streams=False, reranks=True)
        for path in ("/v1/rerank", "/v2/rerank", "/rerank")
    ),
)


class InferenceRoute:
    """Serves one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        authenticator: Authenticator,
        catalog: Catalog,
        limiter: Limiter,
        dispatcher: Dispatcher,
        census: FieldCensus,
        server: ServerSettings,
    ) -> None:
        self.census = census
        self.endpoint = endpoint
        self.authenticator = authenticator
        self.catalog = catalog
        self.limiter = limiter
        self.dispatcher = dispatcher
        self.server = server

    def __call__(self, exchange: Exchange, identity: RequestIdentity) -> Handling:
        """Return what handles one request."""
        return InferenceRequest(self, exchange, identity)


class InferenceRequest(EngineRequest):
    """Handles one request of a client to a model."""

    __slots__ = ("_route",)

    def __init__(
        self, route: InferenceRoute, exchange: Exchange, identity: RequestIdentity
    ) -> None:
        endpoint = route.endpoint
        super().__init__(exchange, identity, Workload(endpoint.path), endpoint.protocol.dialect)
        self._route = route

    async def run(self) -> None:
        """Handle the request to its end, whatever that is."""
        try:
            await self._answer(await self._understand())
        except ApiError as error:
            self.ending = await send_error(self.exchange, error, self.dialect)
        except ProviderError as failure:
            told = from_provider(failure, self.workload.model)
            self.ending = await send_error(self.exchange, told, self.dialect)
        except ClientLeft:
            self.ending = ResponseEnding(CLIENT_CLOSED, "client_abort")

    async def _answer(self, call: Call) -> None:
        route = self._route
        exchange = self.exchange
        admission = route.limiter.admit(
            call.key, call.tokens, call.prompt_tokens, replayed=self.identity.replayed
        )
        exchange.headers += admission.headers
        with admission, WhileConnected(exchange):
            try:
                silence = route.server.stream_keepalive_seconds
                if not call.stream or silence is None:
                    await self.serve(call, route.dispatcher)
                else:
                    with KeepAlive(exchange, silence):
                        await self.serve(call, route.dispatcher)
            finally:
                admission.note(self.content, self.ending)

    async def _understand(self) -> Call:
        route = self._route
        endpoint = route.endpoint
        scope = self.exchange.scope
        if scope["method"] != "POST":
            raise wrong_method(scope["method"], endpoint.path, "POST")
        key = await route.authenticator.authenticate(scope["headers"], KeyScope.INFERENCE)
        self.workload = Workload(endpoint.path, key.id, metered=True)
        body = await read_body(
            self.exchange,
            limit=route.server.max_body_bytes,
            seconds=route.server.body_timeout_seconds,
            max_values=route.server.max_json_values,
        )
        wish = parse_body(body, endpoint)
        large = len(body) > LARGE_BYTES
        if large:
            await asyncio.sleep(0)
        model = route.catalog.find_for(wish.name, key, endpoint.capability)
        self.workload = Workload(
            endpoint.path, key.id, model.id, wish.stream, len(body), metered=True
        )
        route.census.note(endpoint.path, model.id, wish.body)
        if endpoint.inputs is not None:
            check_inputs(wish.body, endpoint.inputs)
        places = await places_in(body) if large else None
        rerank: RerankForm | None = None
        if endpoint.reranks:
            body_as_sent = body
            body, rerank = understood(body, wish.body, places)
            if places is not None and body is not body_as_sent:
                places = await places_in(body)
        tokens, prompt_tokens = await self._tokens(wish, key, large)
        return Call(
            endpoint,
            model,
            wish.name,
            body,
            wish.stream,
            key,
            self.identity,
            self.workload,
            wish.stream_options,
            rerank,
            tokens,
            prompt_tokens,
            _forwarded(scope, endpoint.protocol.headers),
            places,
            conversation_head(wish.body) if self._by_prefix(model) else None,
        )

    def _by_prefix(self, model: Model) -> bool:
        return model.prefix_balanced and self._route.endpoint.capability in GENERATION

    async def _tokens(self, wish: Wish, key: ApiKey, large: bool) -> tuple[int, int]:
        """Return an estimate of the tokens that a request takes, and of those it has itself."""
        endpoint = self._route.endpoint
        if endpoint.optional or not self._route.limiter.counts_tokens(key):
            return 0, 0  # to count tokens takes none
        if large:
            prompt = await prompt_tokens_of(wish.body)
        else:
            prompt = estimated_tokens(wish.body, generates=False)
        if endpoint.capability not in GENERATION:
            return prompt, prompt
        return prompt + answer_tokens(wish.body), prompt


def _forwarded(scope: Scope, names: tuple[bytes, ...]) -> dict[str, str] | None:
    """Return the headers of a client that engines get, too; None for none."""
    if not names:
        return None
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in names and value.isascii() and value.decode("ascii").isprintable():
            # A client may send one of them several times, for a list.
            known = found.get(name.decode("ascii"))
            told = value.decode("ascii")
            found[name.decode("ascii")] = told if known is None else f"{known},{told}"
    return found or None


def inference_routes(
    *,
    authenticator: Authenticator,
    catalog: Catalog,
    limiter: Limiter,
    dispatcher: Dispatcher,
    census: FieldCensus,
    server: ServerSettings,
) -> dict[str, InferenceRoute]:
    """Return every hot route by its path."""
    return {
        endpoint.path: InferenceRoute(
            endpoint,
            authenticator=authenticator,
            catalog=catalog,
            limiter=limiter,
            dispatcher=dispatcher,
            census=census,
            server=server,
        )
        for endpoint in ENDPOINTS
    }
