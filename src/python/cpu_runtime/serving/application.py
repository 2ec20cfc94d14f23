"""The application: which path is answered by what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import BaseRoute, Route, Router

from cpu_runtime.errors import RequestError
from cpu_runtime.serving.asgi import AsgiApp, Receive, Scope, Send
from cpu_runtime.serving.boundary import Boundary
from cpu_runtime.serving.endpoints import (
    Endpoint,
    answer_chat,
    answer_completion,
    answer_embeddings,
    answer_message,
    answer_rerank,
    answer_response,
    count_message_tokens,
)
from cpu_runtime.serving.exchange import Exchange
from cpu_runtime.serving.metrics import CONTENT_TYPE
from cpu_runtime.serving.state import State


def application(state: State, key: str | None) -> AsgiApp:
    """Return the application.

    Args:
        key: what clients have to show for /v1/*; None lets everybody in.
    """
    router = Router(routes=_routes(state), redirect_slashes=False)

    async def routed(scope: Scope, receive: Receive, send: Send) -> None:
        # Without an application around it, Starlette's router answers unknown paths by itself.
        scope["app"] = router
        try:
            await router(scope, receive, send)
        except HTTPException as error:
            raise _unroutable(error, scope) from None

    return Boundary(routed, state.metrics, key)


def _routes(state: State) -> list[BaseRoute]:
    generating = [
        ("/v1/chat/completions", Endpoint("chat", answer_chat, state)),
        ("/v1/completions", Endpoint("completions", answer_completion, state)),
        ("/v1/responses", Endpoint("responses", answer_response, state)),
        ("/v1/messages", Endpoint("messages", answer_message, state)),
        ("/v1/messages/count_tokens", Endpoint("messages", count_message_tokens, state)),
        ("/v1/embeddings", Endpoint("embeddings", answer_embeddings, state)),
        ("/v1/rerank", Endpoint("rerank", answer_rerank, state)),
    ]
    return [
        *(Route(path, endpoint, methods=["POST"]) for path, endpoint in generating),
        _get("/v1/models", _models, state),
        _get("/v1/models/{name:path}", _model, state),
        _get("/health", _health, state),
        _get("/metrics", _metrics, state),
    ]


class _Get:
    """A route that is answered at once."""

    def __init__(
        self,
        path: str,
        handler: Callable[[State, Request, Exchange], Awaitable[None]],
        state: State,
    ) -> None:
        self._path = path
        self._handler = handler
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange.of(scope)
        exchange.route = self._path
        await self._handler(self._state, Request(scope), exchange)


def _get(
    path: str, handler: Callable[[State, Request, Exchange], Awaitable[None]], state: State
) -> Route:
    return Route(path, _Get(path, handler, state), methods=["GET"])


async def _models(state: State, request: Request, exchange: Exchange) -> None:
    data = [served.listing() for served in state.models()]
    await exchange.answer(orjson.dumps({"object": "list", "data": data}))


async def _model(state: State, request: Request, exchange: Exchange) -> None:
    served = state.find(request.path_params["name"])
    await exchange.answer(orjson.dumps(served.listing()))


async def _health(state: State, request: Request, exchange: Exchange) -> None:
    ailing = await state.ailing()
    if ailing:
        raise RequestError(
            f"No answer from the engine of {' and '.join(ailing)}.",
            status=503,
            type="server_error",
            code="engine_unavailable",
        )
    await exchange.answer(b'{"status":"ok"}')


async def _metrics(state: State, request: Request, exchange: Exchange) -> None:
    await exchange.answer(state.metrics.text(), content_type=CONTENT_TYPE.encode())


def _unroutable(error: HTTPException, scope: Scope) -> RequestError:
    method, path = scope["method"], scope["path"]
    if error.status_code == 405:
        return RequestError(
            f"{path} does not take {method}.",
            status=405,
            code="method_not_allowed",
            headers=dict(error.headers or {}),
        )
    return RequestError(f"There is nothing at {path}.", status=error.status_code, code="not_found")
