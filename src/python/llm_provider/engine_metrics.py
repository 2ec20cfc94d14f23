"""What an engine's `/metrics` tells of its work: how much it has, and whether it gets on with it.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

from dataclasses import dataclass

_RUNNING = ("vllm:num_requests_running", "cpu_runtime_requests_running")
_WAITING = ("vllm:num_requests_waiting", "cpu_runtime_requests_waiting")
_TOKENS = (
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "cpu_runtime_generation_tokens_total",
    "cpu_runtime_prompt_tokens_total",
)
_CACHE_USAGE = ("vllm:kv_cache_usage_perc",)
_PREFIX_QUERIES = "vllm:prefix_cache_queries_total"
_PREFIX_HITS = "vllm:prefix_cache_hits_total"
_STARTED_AT = ("process_start_time_seconds",)
_WANTED = frozenset(
    (*_RUNNING, *_WAITING, *_TOKENS, *_CACHE_USAGE, *_STARTED_AT, _PREFIX_QUERIES, _PREFIX_HITS)
)


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """Sums over all models and engine cores behind one address.

    Attributes:
        running: requests that the engine works on.
        waiting: requests that wait in the engine.
        tokens: prompt and generated tokens since the engine started.
        cache_usage: moves while a long prompt is read, whose tokens are counted only at its end.
        started_at: Unix seconds; None if the engine does not say.
        prefix_queries: prompt tokens that were looked up in the prefix cache since the engine
            started; None if the engine does not say.
        prefix_hits: those of them that were found.
    """

    running: int
    waiting: int
    tokens: int
    cache_usage: float = 0.0
    started_at: float | None = None
    prefix_queries: int | None = None
    prefix_hits: int | None = None


def parse_engine_metrics(text: str) -> EngineMetrics | None:
    """Read what is needed; None if the text does not tell of running requests and of tokens."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        name = line.partition("{")[0].partition(" ")[0]
        if name not in _WANTED:
            continue
        try:
            sums[name] = sums.get(name, 0.0) + float(line.rpartition(" ")[2])
        except ValueError:
            continue
    if not any(name in sums for name in _RUNNING) or not any(name in sums for name in _TOKENS):
        return None
    return EngineMetrics(
        running=int(_sum(sums, _RUNNING)),
        waiting=int(_sum(sums, _WAITING)),
        tokens=int(_sum(sums, _TOKENS)),
        cache_usage=_sum(sums, _CACHE_USAGE),
        started_at=sums.get(_STARTED_AT[0]),
        prefix_queries=_count(sums, _PREFIX_QUERIES),
        prefix_hits=_count(sums, _PREFIX_HITS),
    )


def _sum(sums: dict[str, float], names: tuple[str, ...]) -> float:
    return sum(sums.get(name, 0.0) for name in names)


def _count(sums: dict[str, float], name: str) -> int | None:
    return int(sums[name]) if name in sums else None


class ProgressWatch:
    """Remembers since when an engine has had requests and done nothing for them. Pure.

    An engine core that is stuck leaves `/health` at 200 and lets requests hang; what shows it is
    that requests are there while no token is counted. One that is stuck while it has nothing to do
    does not even count the requests that come later: only whoever sent them knows of them.
    """

    __slots__ = ("_last", "_since", "stalled_seconds")

    def __init__(self) -> None:
        self._last: EngineMetrics | None = None
        self._since: float | None = None
        self.stalled_seconds = 0.0
        """For how long requests had been there and nothing had moved, at the last look."""

    def observe(self, metrics: EngineMetrics, now: float, unanswered: int = 0) -> None:
        """Take a look at the engine, which may have been started anew since the last one.

        Args:
            unanswered: requests that were sent to it and have not got a first byte.
        """
        last = self._last
        self._last = metrics
        if metrics.running == 0 and metrics.waiting == 0 and unanswered == 0:
            self._since = None
        elif self._since is None or last is None or _moved(last, metrics):
            self._since = now
        self.stalled_seconds = 0.0 if self._since is None else now - self._since


def _moved(before: EngineMetrics, after: EngineMetrics) -> bool:
    return (before.tokens, before.cache_usage) != (after.tokens, after.cache_usage)
