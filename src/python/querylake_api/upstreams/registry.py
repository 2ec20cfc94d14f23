"""Every configured engine, by name, with the tasks that watch them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from llm_provider.breaker import BreakerPolicy
from llm_provider.config import UpstreamConfig
from llm_provider.openai_http import OpenAIHTTPProvider
from llm_provider.provider import LLMProvider
from querylake_api.configuration.loading import Configuration
from querylake_api.event_loop.background import in_background
from querylake_api.settings import SERVE_SCHEME, Settings, UpstreamSettings
from querylake_api.upstreams.facts import UpstreamFacts
from querylake_api.upstreams.judge import HealthPolicy
from querylake_api.upstreams.monitor import Monitor
from querylake_api.upstreams.pace import Pace
from querylake_api.upstreams.runtime_status import RuntimeClient
from querylake_api.upstreams.upstream import Upstream


class Upstreams:
    """The engines."""

    def __init__(self, upstreams: Iterable[Upstream], monitors: Iterable[Monitor] = ()) -> None:
        self._by_name = {upstream.name: upstream for upstream in upstreams}
        self._monitors = tuple(monitors)

    def __getitem__(self, name: str) -> Upstream:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._by_name.values())

    def facts(self) -> list[UpstreamFacts]:
        """Return what is known of each engine now, in the order of the configuration."""
        return [upstream.facts() for upstream in self]

    async def looked_at(self) -> None:
        """Wait until each engine that is watched has been looked at once."""
        for monitor in self._monitors:
            await monitor.looked.wait()


@asynccontextmanager
async def open_upstreams(configuration: Configuration) -> AsyncIterator[Upstreams]:
    """Look at every configured engine, and watch it until the block ends."""
    settings = configuration.settings
    upstreams: list[Upstream] = []
    monitors: list[Monitor] = []
    async with AsyncExitStack() as stack:
        for name, config in configuration.upstreams.items():
            provider = provider_for(config)
            stack.push_async_callback(provider.close)
            section = settings.upstreams[name]
            upstream = Upstream(
                provider,
                _breaker_policy(settings),
                _health_policy(settings, section),
                stream_usage=section.stream_usage,
            )
            upstreams.append(upstream)
            if section.active_health:
                monitors.append(_monitor(upstream, settings, section))
        opened = Upstreams(upstreams, monitors)
        watching = {f"the watch of upstream {each.upstream.name}": each.run for each in monitors}
        async with in_background(watching):
            await opened.looked_at()
            yield opened


def provider_for(config: UpstreamConfig) -> LLMProvider:
    """Return what reaches the engine of a base URL."""
    if not config.base_url.startswith(SERVE_SCHEME):
        return OpenAIHTTPProvider(config)
    # Here, because importing Ray takes a second, and few need it.
    from querylake_api.upstreams.ray_provider import RayServeProvider

    return RayServeProvider(config)


def _monitor(upstream: Upstream, settings: Settings, section: UpstreamSettings) -> Monitor:
    return Monitor(
        upstream,
        None if section.runtime_url is None else RuntimeClient(section.runtime_url),
        Pace(settings.health.interval_seconds, settings.health.timeout_seconds),
    )


def _breaker_policy(settings: Settings) -> BreakerPolicy:
    breaker = settings.breaker
    return BreakerPolicy(breaker.failures, breaker.open_seconds, breaker.max_open_seconds)


def _health_policy(settings: Settings, section: UpstreamSettings) -> HealthPolicy:
    health = settings.health
    return HealthPolicy(
        failures=health.failures,
        successes=health.successes,
        stall_seconds=section.stall_seconds or health.stall_seconds,
    )
