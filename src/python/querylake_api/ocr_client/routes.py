"""`/v1/ocr` and its jobs, as bare ASGI: documents pass through and are never held in memory."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import tell
from querylake_api.errors import ApiError, invalid_request
from querylake_api.http_server.asgi import Receive, Scope, Send
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.models import ApiKey
from querylake_api.keys.models import Scope as KeyScope
from querylake_api.limits.limiter import Limiter
from querylake_api.ocr_client.backlog import Backlog
from querylake_api.ocr_client.passage import Passage
from querylake_api.ocr_client.places import Place, find_place
from querylake_api.ocr_client.service import NAME, OcrService
from querylake_api.ocr_client.upload import Upload
from querylake_api.requests.content_coding import content_coding, unknown_coding
from querylake_api.requests.disconnect import ClientLeft, WhileConnected
from querylake_api.requests.record import CLIENT_CLOSED, RequestRecord

OWNER = "x-querylake-owner"
"""Tells the service whose documents these are. It believes those who have its key."""

_BACKLOG_BYTES = 1024 * 1024
"""Of an upload that the service is slow to take, in memory; the rest is in a file meanwhile."""

_UPLOAD_HEADERS = (b"content-type", b"content-length", b"x-ocr-password")
_PARAMETERS = {
    "GET": ("limit",),
    # Of a document that is the whole body: what a form has as fields beside its file.
    "POST": ("pages", "text_layer", "dpi", "format", "file_name"),
}
"""What the service knows, by method: other parameters might hold a client's key."""


class OcrRoutes:
    """Serves every path below `/v1/ocr`.

    Args:
        service: None if none is configured.
        max_body_bytes: larger uploads are answered 413.
        body_seconds: without a byte of an upload, after which it is answered 408.
    """

    def __init__(
        self,
        service: OcrService | None,
        *,
        authenticator: Authenticator,
        limiter: Limiter,
        max_body_bytes: int,
        body_seconds: float,
    ) -> None:
        self._service = service
        self._authenticator = authenticator
        self._limiter = limiter
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds

    async def __call__(
        self, scope: Scope, receive: Receive, send: Send, record: RequestRecord
    ) -> None:
        """Handle one request to its end, whatever that is."""
        passage = Passage(send, record)
        # The server keeps the body back.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            place = find_place(method, scope["path"])
            record.route = place.template
            key = await self._authenticator.authenticate(scope["headers"], KeyScope.INFERENCE)
            record.key_id = key.id
            if self._service is None:
                raise not_configured()
            record.model = NAME
            record.metered = True
            with self._limiter.admit(key, 0, record):
                await self._pass(self._service, method, place, key, scope, receive, passage, record)
        except ApiError as error:
            await tell(send, error, record)
        except ProviderError as failure:
            await passage.fail(failure)
        except ClientLeft:
            record.settle(CLIENT_CLOSED, "client_abort")
        except asyncio.CancelledError:
            passage.cut("shutdown")
            raise

    async def _pass(
        self,
        service: OcrService,
        method: str,
        place: Place,
        key: ApiKey,
        scope: Scope,
        receive: Receive,
        passage: Passage,
        record: RequestRecord,
    ) -> None:
        headers = _headers(key, record)
        if method != "POST":
            record.sent_to(NAME)
            with WhileConnected(receive, record):
                async with service.answer(
                    method,
                    place.path,
                    headers=headers,
                    params=_params(scope),
                    body=None,
                ) as answer:
                    await passage.of(answer)
            return
        coding = content_coding(scope)
        if coding not in (b"", b"identity"):
            raise unknown_coding(coding, known=())
        for name, value in scope["headers"]:
            if name in _UPLOAD_HEADERS:
                headers[name.decode()] = value.decode("latin-1")
        with Backlog(_BACKLOG_BYTES) as backlog:
            limit, seconds = self._max_body_bytes, self._body_seconds
            upload = Upload(scope, receive, backlog, limit=limit, seconds=seconds)
            record.sent_to(NAME)
            try:
                with WhileConnected(upload.receive, record):
                    async with service.answer(
                        "POST",
                        place.path,
                        headers=headers,
                        params=_params(scope),
                        body=upload.pieces(),
                    ) as answer:
                        await passage.of(answer)
            finally:
                record.request_bytes = upload.size


def _headers(key: ApiKey, record: RequestRecord) -> dict[str, str]:
    """Return who asks, and by which name the request is known. Nothing of the client's own."""
    trace = {} if record.trace is None else record.trace.headers()
    return {OWNER: key.id, "x-request-id": record.request_id, **trace}


def _params(scope: Scope) -> dict[str, str]:
    """Return the parameters that are passed on, each once."""
    query = parse_qs(scope["query_string"].decode("latin-1"))
    known = _PARAMETERS.get(scope["method"], ())
    return {name: query[name][0] for name in known if name in query}


def not_configured() -> ApiError:
    """The operator has named no OCR service."""
    return invalid_request(
        "OCR is not configured here. The operator can name an OCR service in [ocr].",
        status=404,
        code="ocr_not_configured",
    )
