"""The API's admin routes, as far as a check needs them: keys, rollouts and the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from upgrade_gates.context import Api
from upgrade_gates.engine import secret
from upgrade_gates.errors import AdminRefused

_SCOPE = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


class Admin:
    """A client of the admin routes. Every method raises `AdminRefused` where it gets no answer."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def get(self, path: str, **query: str) -> Any:
        """Return a document."""
        return await self._ask("GET", path, params=query)

    async def entries(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Return the entries of a list in OpenAI's form."""
        document = await self.get(path, **query)
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list):
            raise AdminRefused(f"GET {path} returns no list")
        return [entry for entry in data if isinstance(entry, dict)]

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Send a document and return the one that comes back, which has an id."""
        document = await self._ask("POST", path, json=dict(body))
        if not isinstance(document, dict) or not isinstance(document.get("id"), str):
            raise AdminRefused(f"POST {path} returns no object with an id")
        return document

    async def delete(self, path: str) -> None:
        """Delete something."""
        await self._ask("DELETE", path)

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = await self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise AdminRefused(f"{method} {path} gets no response: {error}") from None
        if answer.status_code in _SCOPE:
            raise AdminRefused(
                f"{method} {path} refuses the key ({answer.status_code}); set api.admin_key_env to "
                "the variable with a key of scope `admin`",
                answer.status_code,
            )
        if answer.is_error:
            raise AdminRefused(
                f"{method} {path} returns {answer.status_code}: {_message(answer)}",
                answer.status_code,
            )
        try:
            return answer.json()
        except ValueError:
            raise AdminRefused(f"{method} {path} returns no JSON") from None


@asynccontextmanager
async def open_admin(api: Api, *, seconds: float) -> AsyncIterator[Admin]:
    """Open the admin routes.

    Args:
        seconds: time limit for each request.

    Raises:
        ContextUnusable: the variable with the key is not set.
    """
    headers = {"Authorization": f"Bearer {secret(api.admin_key_env or api.key_env)}"}
    async with httpx.AsyncClient(base_url=api.url, headers=headers, timeout=seconds) as client:
        yield Admin(client)


def _message(answer: httpx.Response) -> str:
    try:
        document = answer.json()
        return str(document["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
