"""Opening the engine or the API that `upgrade.toml` names."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_provider.config import Timeouts, UpstreamConfig
from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.context import Api, Serving
from upgrade_gates.errors import ContextUnusable


def secret(variable: str | None) -> str | None:
    """Return the value of an environment variable; None if none is named.

    Raises:
        ContextUnusable: it is named and not set.
    """
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise ContextUnusable(
            f"the environment variable {variable}, which upgrade.toml names, is not set; "
            f"export {variable}=... in this shell"
        )
    return value


@asynccontextmanager
async def opened(
    target: Serving | Api, *, name: str, seconds: float, key: str | None = None
) -> AsyncIterator[OpenAIHTTPProvider]:
    """Open an engine, or the API, as a provider.

    Args:
        name: what errors call it.
        seconds: how long one request may take.
        key: instead of the one that `upgrade.toml` names.

    Raises:
        ContextUnusable: the variable with its key is not set.
    """
    base_url = target.url if isinstance(target, Serving) else f"{target.url}/v1"
    provider = OpenAIHTTPProvider(
        UpstreamConfig(
            name=name,
            base_url=base_url,
            api_key=key or secret(target.key_env),
            timeouts=Timeouts(first_byte=seconds, idle=seconds, total=seconds),
        )
    )
    try:
        yield provider
    finally:
        await provider.close()
