"""Asking an engine to count the tokens of a stream, on behalf of a caller that did not ask.

OpenAI's protocol: with `stream_options.include_usage` one more chunk comes before `[DONE]`, without
choices and with the usage of the whole request.
https://platform.openai.com/docs/api-reference/chat/create#chat-create-stream_options
"""

# compiled: runs for each request.

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from llm_provider.byte_search import holds
from llm_provider.json_text import read_json, write_json
from llm_provider.model_rewrite import Edit, edited, value_spans
from llm_provider.sse import data_of

_KEY: Final = "stream_options"
_KEY_BYTES: Final = b"stream_options"
_ASKED: Final = b'"stream_options":{"include_usage":true},'
_USAGE: Final = b'"usage"'
_NO_CHOICES: Final = re.compile(rb'"choices"\s*+:\s*+\[\s*+\]')


def asks_for_usage(options: object) -> bool:
    """Return whether a request with these `stream_options` gets the usage chunk anyway."""
    return isinstance(options, dict) and options.get("include_usage") is True


def with_stream_usage(body: bytes, options: object) -> bytes:
    """Return a request that asks for usage, with nothing changed but its `stream_options`.

    Args:
        body: a JSON object that holds at least one key.
        options: the value of its `stream_options`; None if it has none. One that is neither an
            object nor null is left for the engine to refuse.
    """
    # Without options, a body that does not hold the key need not be looked through.
    absent = options is None and not holds(body, _KEY_BYTES)
    return edited(body, usage_edits(body, [] if absent else value_spans(body, _KEY), options))


def usage_edits(body: bytes, spans: list[tuple[int, int]], options: object) -> list[Edit]:
    """Return the edits by which a request asks for usage.

    Args:
        body: as for `with_stream_usage`.
        spans: where the values of its `stream_options` lie, if they are objects, lists or null.
        options: as for `with_stream_usage`.
    """
    if options is None:
        if not spans:
            start = body.index(b"{") + 1
            return [(start, start, _ASKED)]
        return [(start, end, b'{"include_usage":true}') for start, end in spans]
    if not isinstance(options, dict):
        return []
    asking = write_json(_asking(options))
    return [(start, end, asking) for start, end in spans]


def is_usage_chunk(block: bytes) -> bool:
    """Return whether an event of a stream brings nothing but usage.

    A chunk that has choices and usage would have come in any case.
    """
    if not holds(block, _USAGE) or _NO_CHOICES.search(block) is None:
        return False
    data = data_of(block)
    if data is None:
        return False
    try:
        document = read_json(data)
    except ValueError:
        return False
    return (
        isinstance(document, dict)
        and document.get("choices") == []
        and isinstance(document.get("usage"), dict)
    )


def _asking(options: Mapping[str, Any]) -> dict[str, Any]:
    # vLLM counts in every chunk if both are asked for, and ignores this one alone: so must we.
    kept = {name: value for name, value in options.items() if name != "continuous_usage_stats"}
    return {**kept, "include_usage": True}
