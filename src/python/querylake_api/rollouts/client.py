"""The admin routes as the command line asks them."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from querylake_api.errors import OperatorError

TIMEOUT_SECONDS = 90.0
"""A promotion waits for the gates."""


class RolloutClient:
    """Talks to one API."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            headers={"authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def get(self, path: str = "") -> Any:
        """Ask for something."""
        return self._ask("GET", path, None)

    def post(self, path: str, document: object) -> Any:
        """Have something done."""
        return self._ask("POST", path, document)

    def _ask(self, method: str, path: str, document: object) -> Any:
        try:
            answer = self._client.request(
                method, f"{self._url}/admin/rollouts{path}", json=document
            )
        except httpx.HTTPError as error:
            raise OperatorError(
                f"the API at {self._url} does not answer: {error}; is `serve` running, "
                "and is --url right?"
            ) from None
        if answer.is_success:
            return answer.json()
        raise OperatorError(_told(answer))


def _told(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the API answered with status {answer.status_code}"
