"""What chats and completions have in common: the checks of sampling, and the request's form."""

from __future__ import annotations

from dataclasses import dataclass

from cpu_runtime.errors import RequestError, invalid
from cpu_runtime.inference.fields import (
    Body,
    check_boolean,
    check_integer,
    check_kind,
    check_number,
    is_integer,
    without_nulls,
)

MAX_CHOICES = 16
_MAX_STOPS = 16
_RANDOM_SEED = 2**32 - 1
"""llama.cpp's word for `choose one`."""

_OF_THE_ENGINE = ("id_slot", "lora", "n_cmpl", "n_predict", "n_probs", "return_progress")
"""llama.cpp's own fields that would reach around what is checked here."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A request for text, checked.

    Attributes:
        path: of the engine's API.
        body: what the engine is sent.
        prompt_field: which field a complaint about the length is about.
        include_usage: whether the client wants the usage at the end of a stream.
        choices: how many responses to the same prompt are wanted.
        holds_calls: whether the engine writes calls of tools as `inference.calls` has it.
        schema_field: which field a complaint about a JSON schema is about.
    """

    path: str
    body: Body
    prompt_field: str
    stream: bool
    include_usage: bool
    choices: int = 1
    holds_calls: bool = False
    schema_field: str = "response_format"

    def body_of(self, choice: int) -> Body:
        """Return what the engine is sent for one of the responses: each has its own seed."""
        seed = self.body.get("seed")
        if choice == 0 or seed is None:
            return self.body
        return {**self.body, "seed": (seed + choice) % _RANDOM_SEED}


def generation(
    path: str,
    body: Body,
    prompt_field: str,
    *,
    holds_calls: bool = False,
    schema_field: str = "response_format",
) -> Generation:
    """Return a request for text from a body whose prompt is checked already.

    Raises:
        RequestError: a field is out of its limits, or asks for what is not offered.
    """
    _check_sampling(body)
    for field in _OF_THE_ENGINE:
        if field in body:
            raise _not_offered(f"{field!r} is not offered.", field)
    stream = body.get("stream", False)
    choices = body.pop("n", 1)
    options = body.pop("stream_options", {})
    if options and not stream:
        raise invalid("'stream_options' is only allowed when 'stream' is true.", "stream_options")
    return Generation(
        path=path,
        body=_for_engine(body),
        prompt_field=prompt_field,
        stream=stream,
        include_usage=_include_usage(options),
        choices=choices,
        holds_calls=holds_calls,
        schema_field=schema_field,
    )


def not_offered(body: Body, field: str, harmless: tuple[object, ...]) -> None:
    """Take away a field that is not offered, if it asks for nothing.

    Raises:
        RequestError: it asks for something.
    """
    value = body.pop(field, None)
    if value is not None and value not in harmless:
        raise _not_offered(f"{field!r} is not offered by this server.", field)


def _not_offered(message: str, field: str) -> RequestError:
    return invalid(message, field, "unsupported_parameter")


def _check_sampling(body: Body) -> None:
    check_boolean(body, "stream")
    check_kind(body, "stream_options", dict, "an object")
    check_number(body, "temperature", 0, 2)
    check_number(body, "top_p", 0, 1)
    check_number(body, "min_p", 0, 1)
    check_number(body, "presence_penalty", -2, 2)
    check_number(body, "frequency_penalty", -2, 2)
    check_integer(body, "top_k", -1)
    check_integer(body, "max_tokens", 1)
    check_integer(body, "max_completion_tokens", 1)
    if not is_integer(body.get("seed", 0)):
        raise invalid("'seed' must be an integer.", "seed")
    if "n" in body:
        check_integer(body, "n", 1, MAX_CHOICES)
    stops = body.get("stop", [])
    stops = [stops] if isinstance(stops, str) else stops
    good = isinstance(stops, list) and all(isinstance(stop, str) and stop for stop in stops)
    if not good or len(stops) > _MAX_STOPS:
        raise invalid(f"'stop' must be a text, or a list of up to {_MAX_STOPS} texts.", "stop")


def _include_usage(options: Body) -> bool:
    told = without_nulls(options)
    check_boolean(told, "include_usage")
    return bool(told.get("include_usage"))


def _for_engine(body: Body) -> Body:
    """Say the same to llama.cpp, which always streams and tells how far it has read."""
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if "seed" in body:
        body["seed"] %= _RANDOM_SEED
    if body.get("temperature") == 0 or "seed" in body:
        # A prompt that is read from the cache and one that is computed differ in the last bits,
        # which is enough to tip a token: who wants the same answer twice gets no cache.
        body.setdefault("cache_prompt", False)
    return {
        **body,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_progress": True,
    }
