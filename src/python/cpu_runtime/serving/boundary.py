"""What surrounds every request: the key, the counting, and the last word on errors."""

from __future__ import annotations

import hmac
import sys
import traceback
from contextlib import suppress

from cpu_runtime.errors import RequestError, internal_error
from cpu_runtime.serving.asgi import AsgiApp, Receive, Scope, Send
from cpu_runtime.serving.dialects import dialect_of
from cpu_runtime.serving.exchange import Exchange
from cpu_runtime.serving.in_flight import ClientLeft
from cpu_runtime.serving.metrics import Metrics

_GUARDED = "/v1/"
_BEARER = b"bearer "


class Boundary:
    """Wraps an application.

    Args:
        key: what clients have to show for /v1/*; None lets everybody in.
    """

    def __init__(self, application: AsgiApp, metrics: Metrics, key: str | None) -> None:
        self._application = application
        self._metrics = metrics
        self._key = None if key is None else key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        exchange = Exchange(send, dialect_of(scope["path"]))
        exchange.attach(scope)
        try:
            self._check_key(scope)
            await self._application(scope, receive, send)
        except ClientLeft:
            exchange.left()
        except RequestError as error:
            await exchange.fail(error)
        except Exception:  # noqa: BLE001 - the last boundary: a client never sees a stack trace
            with suppress(OSError):
                traceback.print_exc(file=sys.stderr)
            await exchange.fail(internal_error())
        finally:
            self._metrics.count_request(exchange.route, exchange.model, exchange.status)

    def _check_key(self, scope: Scope) -> None:
        if self._key is None or not str(scope["path"]).startswith(_GUARDED):
            return
        shown = b""
        for name, value in scope["headers"]:
            if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
                shown = value[len(_BEARER) :].strip()
            elif name == b"x-api-key":  # Anthropic's clients
                shown = shown or value.strip()
        if not hmac.compare_digest(shown, self._key):
            raise RequestError(
                "Send the key of this server: `Authorization: Bearer …`, or `x-api-key: …`. "
                + ("This one is wrong." if shown else "None was sent."),
                status=401,
                type="authentication_error",
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
