"""The engines and the lines in front of models as Prometheus gauges, read when asked for."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator

from llm_provider.breaker import BreakerState
from querylake_api.observability.families import Labels
from querylake_api.observability.metrics import Metrics
from querylake_api.process.components import Components
from querylake_api.upstreams.facts import Condition, UpstreamFacts

_CONDITIONS: tuple[Condition, ...] = typing.get_args(Condition)
_STATES: tuple[BreakerState, ...] = typing.get_args(BreakerState)

_Reading = Iterator[tuple[Labels, float]]


def watch_routing(metrics: Metrics, components: Callable[[], Components]) -> None:
    """Add the gauges of whatever configuration is current.

    Of conditions and states, that of any worker counts; of loads, the sum of all workers.
    """
    _watch_upstreams(metrics, lambda: components().upstreams.facts())
    _watch_lines(metrics, components)
    _watch_placements(metrics, components)


def _watch_upstreams(metrics: Metrics, facts: Callable[[], list[UpstreamFacts]]) -> None:
    def conditions() -> _Reading:
        for each in facts():
            for condition in _CONDITIONS:
                yield (each.name, condition), condition == each.condition

    def breakers() -> _Reading:
        for each in facts():
            for state in _STATES:
                yield (each.name, state), state == each.breaker

    metrics.gauge(
        "querylake_upstream_in_rotation",
        "1 while every worker may send requests to the upstream.",
        lambda: [((each.name,), each.in_rotation) for each in facts()],
        "upstream",
        merge="min",
    )
    metrics.gauge(
        "querylake_upstream_condition",
        "1 for the current condition of the upstream.",
        conditions,
        "upstream",
        "condition",
        merge="max",
    )
    metrics.gauge(
        "querylake_upstream_breaker",
        "1 for the current state of the upstream's circuit breaker.",
        breakers,
        "upstream",
        "state",
        merge="max",
    )
    metrics.gauge(
        "querylake_upstream_outstanding",
        "Running requests to the upstream.",
        lambda: [((each.name,), each.outstanding) for each in facts()],
        "upstream",
    )
    metrics.gauge(
        "querylake_upstream_restarts",
        "Observed restarts of the upstream's engine.",
        lambda: [((each.name,), each.restarts) for each in facts()],
        "upstream",
        merge="max",
    )
    metrics.gauge(
        "querylake_upstream_stalled_seconds",
        "Seconds with running requests and no generated token.",
        lambda: [((each.name,), each.stalled_seconds) for each in facts()],
        "upstream",
        merge="max",
    )

    metrics.gauge(
        "querylake_upstream_prefix_cache_queries",
        "Prompt tokens looked up in its prefix cache since its engine started.",
        lambda: _told((each.name, each.prefix_queries) for each in facts()),
        "upstream",
        merge="max",
    )
    metrics.gauge(
        "querylake_upstream_prefix_cache_hits",
        "Prompt tokens found in its prefix cache since its engine started.",
        lambda: _told((each.name, each.prefix_hits) for each in facts()),
        "upstream",
        merge="max",
    )


def _told(counts: Iterable[tuple[str, int | None]]) -> _Reading:
    for name, count in counts:
        if count is not None:
            yield (name,), count


def _watch_placements(metrics: Metrics, components: Callable[[], Components]) -> None:
    def placements() -> _Reading:
        for (model, stack), pool in components().dispatcher.pools.items():
            if pool.at_home or pool.spilled:
                yield (model, stack, "home"), pool.at_home
                yield (model, stack, "spilled"), pool.spilled

    metrics.gauge(
        "querylake_prefix_placements",
        "Requests sent to the replica that has their prefix cached, or to another because of load.",
        placements,
        "model",
        "stack",
        "result",
    )


def _watch_lines(metrics: Metrics, components: Callable[[], Components]) -> None:
    def waiting() -> _Reading:
        for place, pool in components().dispatcher.pools.items():
            if pool.gate is not None:
                yield place, pool.gate.waiting

    def running() -> _Reading:
        for place, pool in components().dispatcher.pools.items():
            if pool.gate is not None:
                yield place, pool.gate.running

    metrics.gauge(
        "querylake_model_waiting", "Requests in the queue of the model.", waiting, "model", "stack"
    )
    metrics.gauge(
        "querylake_model_running",
        "Running requests that count towards the model's limit.",
        running,
        "model",
        "stack",
    )
