"""How many tokens a request took, in whichever of its forms an engine says so."""

# compiled: runs for each request.

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import orjson

_LARGE: Final = 32 * 1024
_USAGE: Final = b'"usage"'
_ROOM: Final = 4096
"""More than any usage object takes."""

_MOST_PLACES: Final = 100
"""Places at which usage is looked for, from the end: an answer tells it once."""

_DECODER: Final = json.JSONDecoder()


class TokenUsage(NamedTuple):
    """Tokens as the engine counted them; None for what it did not say."""

    prompt: int | None
    completion: int | None


NOTHING_TOLD: Final = TokenUsage(None, None)


def token_usage(usage: object) -> TokenUsage:
    """Read a `usage` object: OpenAI's of chats and embeddings, its newer one, Anthropic's.

    Rerankers and embedders may tell only a total, which is then all prompt.
    """
    if not isinstance(usage, dict):
        return NOTHING_TOLD
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    completion = _count(usage, "completion_tokens", "output_tokens")
    if prompt is None and (total := _count(usage, "total_tokens")) is not None:
        prompt = total - (completion or 0)
    return TokenUsage(prompt, completion)


def usage_in(body: bytes) -> TokenUsage:
    """Return what a whole answer says of its tokens.

    A large answer is mostly vectors, and to parse them all would keep every other request waiting:
    there the usage is looked up from the end.
    """
    if len(body) > _LARGE:
        return token_usage(_last_usage(body))
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return NOTHING_TOLD
    return token_usage(document.get("usage")) if isinstance(document, dict) else NOTHING_TOLD


def _last_usage(body: bytes) -> object:
    # A quote inside a JSON string is escaped, so these bytes are a whole string: a key, or a value.
    place = len(body)
    for _ in range(_MOST_PLACES):
        place = body.rfind(_USAGE, 0, place)
        if place < 0:
            break
        after = body[place + len(_USAGE) : place + _ROOM].decode("utf-8", "replace").lstrip()
        if after.startswith(":"):
            try:
                value: object = _DECODER.raw_decode(after[1:].lstrip())[0]
            except json.JSONDecodeError:
                return None
            if isinstance(value, dict):
                return value
    return None


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if value.__class__ is int and value >= 0:
            return int(value)
    return None
