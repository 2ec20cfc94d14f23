"""The routes that carry the traffic, as bare ASGI: one life of a request from key to last byte."""

# compiled: runs for each request.

from __future__ import annotations

import asyncio

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import tell
from querylake_api.error_responses.unserved_urls import wrong_method
from querylake_api.errors import ApiError
from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.http_server.exchange import EXCHANGE, Exchange
from querylake_api.inference.call import Call, Endpoint, Wish, parse_body
from querylake_api.inference.catalog import Catalog, Model
from querylake_api.inference.census import FieldCensus
from querylake_api.inference.conversation_head import conversation_head
from querylake_api.inference.dispatch import Dispatcher
from querylake_api.inference.errors import from_provider
from querylake_api.inference.event_channel import EventChannel
from querylake_api.inference.inputs import check_inputs
from querylake_api.inference.keep_alive import KeepAlive
from querylake_api.inference.large_body import LARGE_BYTES, places_in, prompt_tokens_of
from querylake_api.inference.protocols import MESSAGES, RESPONSES
from querylake_api.inference.relay import pass_on
from querylake_api.inference.rerank import RerankForm, understood
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.models import ApiKey
from querylake_api.keys.models import Scope as KeyScope
from querylake_api.limits.estimate import answer_tokens, estimated_tokens
from querylake_api.limits.limiter import Limiter
from querylake_api.requests.body import read_body
from querylake_api.requests.disconnect import ClientLeft, WhileConnected
from querylake_api.requests.record import CLIENT_CLOSED, RequestRecord
from querylake_api.settings import GENERATION, ServerSettings

ENDPOINTS = (
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
        self._census = census
        self._endpoint = endpoint
        self._authenticator = authenticator
        self._catalog = catalog
        self._limiter = limiter
        self._dispatcher = dispatcher
        self._server = server

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        """Handle one request to its end, whatever that is."""
        record.route = self._endpoint.path
        record.dialect = self._endpoint.protocol.dialect
        exchange: Exchange | None = scope.get(EXCHANGE)
        try:
            call = await self._understand(scope, receive, record)
            with (
                self._limiter.admit(call.key, call.tokens, record, call.prompt_tokens),
                WhileConnected(receive, record, exchange),
            ):
                if not call.stream or self._server.stream_keepalive_seconds is None:
                    await self._serve(call, send, record, exchange, None)
                    return
                channel = EventChannel(send, exchange, record)
                with KeepAlive(channel, self._server.stream_keepalive_seconds):
                    await self._serve(call, send, record, exchange, channel)
        except ApiError as error:
            await tell(send, error, record)
        except ProviderError as failure:
            record.upstream = failure.upstream
            record.detail = str(failure)
            await tell(send, from_provider(failure, record.model), record)
        except ClientLeft:
            record.settle(CLIENT_CLOSED, "client_abort")

    async def _serve(
        self,
        call: Call,
        send: Send,
        record: RequestRecord,
        exchange: Exchange | None,
        channel: EventChannel | None,
    ) -> None:
        async with self._dispatcher.dispatch(call, record) as answer:
            record.upstream = answer.target.upstream
            record.stack = answer.target.stack
            await pass_on(answer, call, send, record, exchange, channel)

    async def _understand(self, scope: Scope, receive: Receive, record: RequestRecord) -> Call:
        endpoint = self._endpoint
        if scope["method"] != "POST":
            raise wrong_method(scope["method"], endpoint.path, "POST")
        key = await self._authenticator.authenticate(scope["headers"], KeyScope.INFERENCE)
        record.key_id = key.id
        record.metered = True
        body = await read_body(
            scope,
            receive,
            limit=self._server.max_body_bytes,
            seconds=self._server.body_timeout_seconds,
            max_values=self._server.max_json_values,
        )
        wish = parse_body(body, endpoint)
        large = len(body) > LARGE_BYTES
        if large:
            await asyncio.sleep(0)
        model = self._catalog.find_for(wish.name, key, endpoint.capability)
        record.model = model.id
        record.streamed = wish.stream
        record.request_bytes = len(body)
        self._census.note(endpoint.path, model.id, wish.body)
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
            record.request_id,
            wish.stream_options,
            rerank,
            tokens,
            prompt_tokens,
            _forwarded(scope, endpoint.protocol.headers),
            places,
            conversation_head(wish.body) if self._by_prefix(model) else None,
        )

    def _by_prefix(self, model: Model) -> bool:
        return model.prefix_balanced and self._endpoint.capability in GENERATION

    async def _tokens(self, wish: Wish, key: ApiKey, large: bool) -> tuple[int, int]:
        """Return an estimate of the tokens that a request takes, and of those it has itself."""
        if self._endpoint.optional or not self._limiter.counts_tokens(key):
            return 0, 0  # to count tokens takes none
        if large:
            prompt = await prompt_tokens_of(wish.body)
        else:
            prompt = estimated_tokens(wish.body, generates=False)
        if self._endpoint.capability not in GENERATION:
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
