"""The engines and the lines in front of models as Prometheus metrics, read when they are asked for.

Of several worker processes each tells what it sees itself.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from llm_provider.breaker import BreakerState
from querylake_api.services import Services
from querylake_api.upstreams.facts import Condition

_CONDITIONS: tuple[Condition, ...] = typing.get_args(Condition)
_STATES: tuple[BreakerState, ...] = typing.get_args(BreakerState)

_Families = Iterator[GaugeMetricFamily | CounterMetricFamily]


class RoutingCollector(Collector):
    """Collects from whatever configuration is current."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    def collect(self) -> _Families:
        """Yield every metric with its samples."""
        services = self._services()
        yield from _upstreams(services)
        yield from _lines(services)


def _upstreams(services: Services) -> _Families:
    upstream = ["upstream"]
    rotation = GaugeMetricFamily(
        "querylake_upstream_in_rotation", "1 while it may have requests.", labels=upstream
    )
    condition = GaugeMetricFamily(
        "querylake_upstream_condition",
        "1 for the condition that it is in.",
        labels=["upstream", "condition"],
    )
    breaker = GaugeMetricFamily(
        "querylake_upstream_breaker",
        "1 for the state that its circuit breaker is in.",
        labels=["upstream", "state"],
    )
    outstanding = GaugeMetricFamily(
        "querylake_upstream_outstanding", "Requests under way to it.", labels=upstream
    )
    restarts = CounterMetricFamily(
        "querylake_upstream_restarts", "Starts of its engine that were seen.", labels=upstream
    )
    for facts in services.upstreams.facts():
        name = facts.name
        rotation.add_metric([name], facts.in_rotation)
        outstanding.add_metric([name], facts.outstanding)
        restarts.add_metric([name], facts.restarts)
        for each in _CONDITIONS:
            condition.add_metric([name, each], each == facts.condition)
        for state in _STATES:
            breaker.add_metric([name, state], state == facts.breaker)
    yield from (rotation, condition, breaker, outstanding, restarts)


def _lines(services: Services) -> _Families:
    labels = ["model", "stack"]
    waiting = GaugeMetricFamily(
        "querylake_model_waiting", "Requests that wait for the model.", labels=labels
    )
    running = GaugeMetricFamily(
        "querylake_model_running", "Requests that the model's limit counts.", labels=labels
    )
    for (model, stack), pool in services.dispatcher.pools.items():
        if pool.gate is not None:
            waiting.add_metric([model, stack], pool.gate.waiting)
            running.add_metric([model, stack], pool.gate.running)
    yield from (waiting, running)
