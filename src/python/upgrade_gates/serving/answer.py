"""One exchange with an engine, kept as it was, for records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import orjson

from llm_provider.openai_http import OpenAIHTTPProvider

_SHOWN_BYTES = 8192


@dataclass(frozen=True)
class Answer:
    """A whole answer.

    Attributes:
        request: method, path and body, as one line.
    """

    request: str
    status: int
    content_type: str
    body: bytes

    def document(self) -> dict[str, Any] | None:
        """Return the body as a JSON object; None if it is none."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None
        return document if isinstance(document, dict) else None

    @property
    def raw(self) -> str:
        """What was sent and what came, as text; a long body is cut and its length told."""
        shown = self.body[:_SHOWN_BYTES].decode("utf-8", "replace")
        cut = f"\n[{len(self.body)} bytes in all]" if len(self.body) > _SHOWN_BYTES else ""
        return f"> {self.request}\n< {self.status} {self.content_type}\n{shown}{cut}\n"


async def ask(
    provider: OpenAIHTTPProvider, method: str, path: str, body: bytes | None = None
) -> Answer:
    """Send a request and read the whole answer, whatever its status.

    Raises:
        ProviderError: there is no answer, or it broke off.
    """
    async with await provider.relay(method, path, body=body) as relay:
        content = await relay.read()
        return Answer(
            request=f"{method} {path} {(body or b'').decode('utf-8', 'replace')}".rstrip(),
            status=relay.status,
            content_type=relay.headers.get("content-type", ""),
            body=content,
        )


def chat_body(model: str, text: str, **fields: object) -> bytes:
    """Return the body of a chat with one message, asked as repeatably as engines can."""
    message = {"role": "user", "content": text}
    body = {"model": model, "messages": [message], "temperature": 0, "max_tokens": 24, **fields}
    return json.dumps(body).encode()
