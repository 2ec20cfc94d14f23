"""Moving an answer of the OCR service to the client, piece by piece as it comes."""

from __future__ import annotations

from llm_provider.errors import ProviderError
from querylake_api.error_responses.delivery import tell
from querylake_api.http_server.asgi import EVENT_STREAM, Message, Send
from querylake_api.inference.errors import from_provider
from querylake_api.inference.refusals import refusal
from querylake_api.ocr_client.service import NAME, OcrAnswer
from querylake_api.requests.record import Outcome, RequestRecord

_EVENTS = "text/event-stream"
_PASSED_HEADERS = ("content-type", "content-length", "x-ocr-status", "x-ocr-pages-failed")


class Passage:
    """One answer on its way."""

    def __init__(self, send: Send, record: RequestRecord) -> None:
        self._send = send
        self._record = record
        self._begun = False
        self._status = 0

    async def of(self, answer: OcrAnswer) -> None:
        """Send the answer on, to its end.

        Raises:
            ApiError: the answer is no success, and nothing was sent.
            ProviderError: it broke off.
        """
        if not 200 <= answer.status < 300:
            self._record.detail = f"upstream status {answer.status}"
            raise refusal(answer.status, answer.headers, await answer.read(), NAME)
        events = answer.headers.get("content-type", "").startswith(_EVENTS)
        await self._send(self._head(answer, events=events))
        self._begun = True
        self._status = answer.status
        self._record.streamed = self._record.streaming = events
        last = b""
        try:
            async for last in answer.pieces():
                await self._send(_body(last, more=True))
        except ProviderError:
            if events and not last.endswith(b"\n\n"):
                # So that half an event is not taken for the beginning of what is told next.
                await self._send(_body(b"\n\n", more=True))
            raise
        self._record.settle(answer.status, "success")
        await self._send(_body(b"", more=False))

    async def fail(self, failure: ProviderError) -> None:
        """Tell the client of a failure, as far as it can still be told."""
        record = self._record
        record.detail = str(failure)
        told = from_provider(failure, NAME)
        self.cut("upstream_error", told.code)
        await tell(self._send, told, record)

    def cut(self, outcome: Outcome, code: str | None = None) -> None:
        """Note that a document has been begun and will not be complete.

        Nothing can be said in it any more. To return without its end breaks the connection.
        """
        if self._begun and not self._record.streaming:
            self._record.settle(self._status, outcome, code)

    def _head(self, answer: OcrAnswer, *, events: bool) -> Message:
        headers = [(b"x-request-id", self._record.request_id.encode()), *self._record.headers]
        if events:
            headers += [
                (b"content-type", EVENT_STREAM),
                (b"cache-control", b"no-cache"),
                # nginx and others would hold the events back to fill a buffer.
                (b"x-accel-buffering", b"no"),
            ]
        else:
            headers += [
                (name.encode(), answer.headers[name].encode("latin-1"))
                for name in _PASSED_HEADERS
                if name in answer.headers
            ]
        return {"type": "http.response.start", "status": answer.status, "headers": headers}


def _body(content: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}
