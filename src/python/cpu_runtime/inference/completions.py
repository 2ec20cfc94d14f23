"""Requests for /v1/completions. https://platform.openai.com/docs/api-reference/completions"""

from __future__ import annotations

from typing import Any

from cpu_runtime.errors import invalid
from cpu_runtime.inference.fields import Body, is_integer, require
from cpu_runtime.inference.generation import Generation, generation, not_offered


def completion(body: Body) -> Generation:
    """Return the request for text that a body is.

    Raises:
        RequestError: it is none, or asks for what is not offered.
    """
    body["prompt"] = _prompt(require(body, "prompt"))
    not_offered(body, "best_of", (1,))
    not_offered(body, "echo", (False,))
    not_offered(body, "suffix", ("",))
    not_offered(body, "logprobs", ())
    return generation("/v1/completions", body, "prompt")


def _prompt(prompt: Any) -> str | list[int]:
    """Return the one prompt of a request, which may come in a list."""
    if isinstance(prompt, list) and prompt and not is_integer(prompt[0]):
        if len(prompt) != 1:
            raise invalid("'prompt' must be a single prompt: send one request for each.", "prompt")
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt and all(is_integer(token) for token in prompt):
        return prompt
    raise invalid("'prompt' must be a text or a list of tokens, and not empty.", "prompt")
