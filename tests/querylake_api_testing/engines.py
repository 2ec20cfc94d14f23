"""Engines for tests in which nobody asks them anything."""

from __future__ import annotations

from llm_provider.config import UpstreamConfig
from llm_provider.openai_http import OpenAIHTTPProvider
from querylake_api.upstreams.upstream import Upstream


def named_engine(name: str) -> Upstream:
    """Return an engine that has a name and no server."""
    return Upstream(OpenAIHTTPProvider(UpstreamConfig(name, "http://127.0.0.1:9/v1")))
