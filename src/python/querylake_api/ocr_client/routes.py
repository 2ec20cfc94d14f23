"""`/v1/ocr` and its jobs, as bare ASGI: documents pass through and are never held in memory."""

# compiled: of a compiled class there are no interpreted subclasses.

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import parse_qs

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import send_error
from querylake_api.errors import ApiError, invalid_request
from querylake_api.http_server.asgi import Scope
from querylake_api.http_server.exchange import Exchange
from querylake_api.inference.errors import from_provider
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.models import ApiKey
from querylake_api.keys.models import Scope as KeyScope
from querylake_api.limits.limiter import Limiter
from querylake_api.ocr_client.backlog import Backlog
from querylake_api.ocr_client.passage import is_events, pass_on
from querylake_api.ocr_client.places import Place, find_place
from querylake_api.ocr_client.service import NAME, OcrService
from querylake_api.ocr_client.upload import Upload
from querylake_api.requests.content_coding import unknown_coding
from querylake_api.requests.disconnect import ClientLeft, WhileConnected
from querylake_api.requests.handling import Handling
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import (
    CLIENT_CLOSED,
    EngineAttempts,
    Journal,
    ResponseEnding,
    Workload,
)

OWNER: Final = "x-querylake-owner"
"""Tells the service whose documents these are. It believes those who have its key."""

_BACKLOG_BYTES: Final = 1024 * 1024
"""Of an upload that the service is slow to take, in memory; the rest is in a file meanwhile."""

_UPLOAD_HEADERS: Final = (b"content-type", b"content-length", b"x-ocr-password")
_PARAMETERS: Final = {
    "GET": ("limit",),
    "POST": ("pages", "text_layer", "dpi", "format", "file_name"),
}
"""What the service knows, by method."""

_LONGEST_NAME: Final = 64
"""Characters of a parameter's name that are repeated in an error."""


class OcrRoutes:
    """Serves every path below `/v1/ocr`.

    Args:
        service: None if none is configured.
        max_body_bytes: larger uploads are answered 413.
        body_seconds: without a byte of an upload, after which it is answered 408.
        journal: records a request before the service gets it.
    """

    def __init__(
        self,
        service: OcrService | None,
        *,
        authenticator: Authenticator,
        limiter: Limiter,
        max_body_bytes: int,
        body_seconds: float,
        journal: Journal,
    ) -> None:
        self.journal = journal
        self.service = service
        self.authenticator = authenticator
        self.limiter = limiter
        self.max_body_bytes = max_body_bytes
        self.body_seconds = body_seconds

    def __call__(self, exchange: Exchange, identity: RequestIdentity) -> Handling:
        """Return what handles one request."""
        return OcrRequest(self, exchange, identity)


class OcrRequest(Handling):
    """Handles one request to the OCR service."""

    __slots__ = ("_routes",)

    def __init__(self, routes: OcrRoutes, exchange: Exchange, identity: RequestIdentity) -> None:
        super().__init__(exchange, identity, Workload(), "openai")
        self._routes = routes

    async def run(self) -> None:
        """Handle the request to its end, whatever that is."""
        routes = self._routes
        scope = self.exchange.scope
        # The server keeps the body back.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            place = find_place(method, scope["path"])
            self.workload = Workload(place.template)
            key = await routes.authenticator.authenticate(scope["headers"], KeyScope.INFERENCE)
            if routes.service is None:
                self.workload = Workload(place.template, key.id)
                raise not_configured()
            self.workload = Workload(place.template, key.id, NAME, metered=True)
            admission = routes.limiter.admit(key, 0, replayed=self.identity.replayed)
            self.exchange.headers += admission.headers
            with admission:
                await self._pass(routes.service, method, place, key)
        except ApiError as error:
            self.ending = await send_error(self.exchange, error, self.dialect)
        except ProviderError as failure:
            told = from_provider(failure, NAME)
            self.ending = await send_error(self.exchange, told, self.dialect)
        except ClientLeft:
            self.ending = ResponseEnding(CLIENT_CLOSED, "client_abort")

    async def _pass(self, service: OcrService, method: str, place: Place, key: ApiKey) -> None:
        exchange = self.exchange
        scope = exchange.scope
        headers = _headers(key, self.identity)
        if method != "POST":
            self._sent()
            with WhileConnected(exchange):
                await self._answer(service, method, place, headers, None)
            return
        if exchange.content_encoding not in (b"", b"identity"):
            raise unknown_coding(exchange.content_encoding, known=())
        for name, value in scope["headers"]:
            if name in _UPLOAD_HEADERS:
                headers[name.decode()] = value.decode("latin-1")
        routes = self._routes
        with Backlog(_BACKLOG_BYTES) as backlog:
            limit, seconds = routes.max_body_bytes, routes.body_seconds
            upload = Upload(scope, exchange.receive, backlog, limit=limit, seconds=seconds)
            self._sent()
            try:
                with WhileConnected(exchange, upload.receive):
                    await self._answer(service, "POST", place, headers, upload.pieces())
            finally:
                asked = self.workload
                self.workload = Workload(
                    asked.route, asked.key_id, NAME, asked.streamed, upload.size, metered=True
                )

    async def _answer(
        self,
        service: OcrService,
        method: str,
        place: Place,
        headers: dict[str, str],
        body: AsyncIterator[bytes] | None,
    ) -> None:
        async with service.answer(
            method,
            place.path,
            headers=headers,
            params=_params(method, self.exchange.scope),
            body=body,
        ) as answer:
            asked = self.workload
            if is_events(answer):
                self.workload = Workload(
                    asked.route, asked.key_id, NAME, streamed=True, metered=True
                )
            self.ending = await pass_on(answer, self.exchange)

    def _sent(self) -> None:
        """Note that the service is about to get the request."""
        sent_at = None if self.identity.trace is None else time.perf_counter()
        entry_id = self.identity.entry_id
        self.engines = EngineAttempts(upstream=NAME, count=1, sent_at=sent_at, entry_id=entry_id)
        entry_id = self._routes.journal.sent(self.identity, self.workload, self.engines)
        self.engines = EngineAttempts(upstream=NAME, count=1, sent_at=sent_at, entry_id=entry_id)


def _headers(key: ApiKey, identity: RequestIdentity) -> dict[str, str]:
    """Return who asks, and by which name the request is known. Nothing of the client's own."""
    trace = {} if identity.trace is None else identity.trace.headers()
    return {OWNER: key.id, "x-request-id": identity.request_id, **trace}


def _params(method: str, scope: Scope) -> dict[str, str]:
    """Return the query parameters that are passed on.

    Raises:
        ApiError: one that is to change how a document is read is unknown, or given twice. Its value
            is not repeated: it may be a secret.
    """
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    known = _PARAMETERS.get(method, ())
    if method != "POST":
        return {name: query[name][0] for name in known if name in query}
    for name, values in query.items():
        if name == "password":
            raise _wrong_parameter(
                name, "A password in a URL ends up in logs. Send it as the header x-ocr-password."
            )
        shown = repr(name[:_LONGEST_NAME])
        if name not in known:
            raise _wrong_parameter(
                name, f"{shown} is no query parameter of this URL. Known: {', '.join(known)}."
            )
        if len(values) > 1:
            raise _wrong_parameter(name, f"The query parameter {shown} is given twice.")
    return {name: values[0] for name, values in query.items()}


def _wrong_parameter(name: str, message: str) -> ApiError:
    return invalid_request(message, code="invalid_value", param=name[:_LONGEST_NAME])


def not_configured() -> ApiError:
    """The operator has named no OCR service."""
    return invalid_request(
        "OCR is not configured here. The operator can name an OCR service in [ocr].",
        status=404,
        code="ocr_not_configured",
    )
