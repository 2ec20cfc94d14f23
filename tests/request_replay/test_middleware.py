"""What stands before Serve's proxy: what nobody has any answer to is asked once more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from ray.serve._private.http_util import _apply_middlewares, validate_http_proxy_callback_return
from ray.serve.context import _RequestContext, _serve_request_context
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from request_replay.agreement import APPLICATION, IDENTITY, REPLAYED, new_identity
from request_replay.middleware import Replaying, middlewares

Attempt = Callable[[Receive, Send], Awaitable[None]]

HEAD: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"end", "more_body": False}
BODY: Message = {"type": "http.request", "body": b"question", "more_body": False}
LEFT: Message = {"type": "http.disconnect"}


async def answers(receive: Receive, send: Send) -> None:
    assert await receive() == BODY
    await send(HEAD)
    await send(END)


async def dies(receive: Receive, send: Send) -> None:
    await receive()


async def dies_after_the_head(receive: Receive, send: Send) -> None:
    await send(HEAD)


async def dies_in_the_middle(receive: Receive, send: Send) -> None:
    await send(HEAD)
    await send({**END, "more_body": True})


async def loses_its_client(receive: Receive, send: Send) -> None:
    while await receive() != LEFT:
        pass


class Proxy:
    """Serve's proxy, with replicas that each do one thing."""

    def __init__(self, *replicas: Attempt, application: str = APPLICATION) -> None:
        self._replicas = list(replicas)
        self._application = application
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(dict(scope))
        scope["root_path"] = scope.get("root_path", "") + "/prefix"
        scope["headers"] = scope["headers"] or [(b"x-request-id", b"r-1")]
        _serve_request_context.set(_RequestContext(app_name=self._application))  # type: ignore[arg-type]
        await self._replicas.pop(0)(receive, send)


async def asked(proxy: ASGIApp, *, left: bool = False) -> list[Message]:
    """Ask, and return what the client gets."""
    coming = [BODY, LEFT] if left else [BODY]
    sent: list[Message] = []

    async def receive() -> Message:
        if coming:
            return coming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    # As uvicorn does it: what one request notes in its context is not the next one's.
    await asyncio.create_task(Replaying(proxy)(scope, receive, send))
    return sent


@pytest.mark.parametrize("death", [dies, dies_after_the_head])
async def test_a_request_without_an_answer_is_given_again(death: Attempt) -> None:
    proxy = Proxy(death, answers)
    assert await asked(proxy) == [HEAD, END]
    first, second = proxy.scopes
    assert first[IDENTITY] == second[IDENTITY]
    assert (REPLAYED in first, second[REPLAYED]) == (False, True)
    assert second["headers"] == [(b"x-request-id", b"r-1")]
    assert "root_path" not in second


@pytest.mark.parametrize("application", [APPLICATION, "theirs"])
async def test_an_answer_of_ours_has_one_id(application: str) -> None:
    async def answers_with_an_id(receive: Receive, send: Send) -> None:
        await send({**HEAD, "headers": [(b"x-request-id", b"ours"), (b"a", b"b")]})
        await send(END)

    proxy = Proxy(answers_with_an_id, application=application)
    # Which puts an id of Serve's between the proxy and our middleware.
    head, _ = await asked(_apply_middlewares(proxy, []))
    ids = [value for name, value in head["headers"] if name == b"x-request-id"]
    assert ids[0] == b"ours"
    assert len(ids) == (1 if application == APPLICATION else 2)
    assert (b"a", b"b") in head["headers"]


async def test_not_more_than_once() -> None:
    proxy = Proxy(dies, dies_after_the_head, answers)
    assert await asked(proxy) == []
    assert len(proxy.scopes) == 2


async def test_not_after_the_first_byte() -> None:
    proxy = Proxy(dies_in_the_middle, answers)
    assert [message["type"] for message in await asked(proxy)] == [
        "http.response.start",
        "http.response.body",
    ]
    assert len(proxy.scopes) == 1


async def test_not_for_a_client_that_has_left() -> None:
    proxy = Proxy(loses_its_client, answers)
    assert await asked(proxy, left=True) == []
    assert len(proxy.scopes) == 1


@pytest.mark.parametrize("death", [dies, dies_after_the_head])
async def test_not_for_other_applications(death: Attempt) -> None:
    proxy = Proxy(death, answers, application="theirs")
    assert await asked(proxy) == ([] if death is dies else [HEAD])
    assert len(proxy.scopes) == 1


async def test_requests_have_identities_of_their_own() -> None:
    proxy = Proxy(answers, answers)
    await asked(proxy)
    await asked(proxy)
    first, second = (UUID(scope[IDENTITY]) for scope in proxy.scopes)
    assert first != second


def test_an_identity_is_a_uuid_that_grows() -> None:
    identities = [UUID(new_identity()) for _ in range(3)]
    assert {identity.version for identity in identities} == {7}
    times = [identity.int >> 80 for identity in identities]
    assert times == sorted(times)


def test_serve_is_given_what_it_can_take() -> None:
    wanted = validate_http_proxy_callback_return(middlewares())
    # It takes them, and says otherwise.
    app = _apply_middlewares(Proxy(), wanted)  # type: ignore[arg-type]
    assert isinstance(app, Replaying)
