"""What /metrics says."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from cpu_runtime.engine.served import Served

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """The counters and gauges of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "cpu_runtime_requests",
            "Finished requests by status, also of errors after the first byte of a stream; 499 if "
            "the client disconnected.",
            ["route", "model", "status"],
            registry=self._registry,
        )
        self._running = self._gauge("requests_running", "Running requests.")
        self._waiting = self._gauge("requests_waiting", "Requests in the queue.")
        self._prompt = self._counter("prompt_tokens", "Prompt tokens.")
        self._generation = self._counter("generation_tokens", "Generated tokens.")

    def add_model(self, served: Served) -> None:
        """Report on a model from now on."""
        name, gate = served.model.name, served.gate
        self._running.labels(name).set_function(lambda: gate.running)
        self._waiting.labels(name).set_function(lambda: gate.waiting)
        self.count_tokens(name, 0, 0)

    def count_request(self, route: str, model: str, status: int) -> None:
        """Count a request that has ended. Both names come from us, never from clients."""
        self._requests.labels(route, model, str(status)).inc()

    def count_tokens(self, model: str, prompt: int, generated: int) -> None:
        """Count tokens, as soon as they are known of."""
        self._prompt.labels(model).inc(prompt)
        self._generation.labels(model).inc(generated)

    def text(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"cpu_runtime_{name}", meaning, ["model"], registry=self._registry)

    def _counter(self, name: str, meaning: str) -> Counter:
        return Counter(f"cpu_runtime_{name}", meaning, ["model"], registry=self._registry)
