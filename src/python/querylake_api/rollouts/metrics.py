"""Rollouts as Prometheus gauges, read when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from querylake_api.observability.families import Labels
from querylake_api.observability.metrics import Metrics
from querylake_api.rollouts.control.rollouts import Rollouts
from querylake_api.rollouts.records.buckets import BUCKETS
from querylake_api.rollouts.records.lifecycle import Status

_Reading = Iterator[tuple[Labels, float]]


def watch_rollouts(metrics: Metrics, rollouts: Rollouts) -> None:
    """Add the gauges of one worker's part in all rollouts."""

    def statuses() -> _Reading:
        for rollout in rollouts.follower.rollouts():
            for status in Status:
                yield (rollout.model, status.value), status is rollout.course.status

    def shares() -> _Reading:
        for split in rollouts.assignment.splits():
            yield (split.model,), split.below / BUCKETS

    def outcomes() -> _Reading:
        for (model, stack, failed), count in rollouts.recorder.totals.items():
            yield (model, stack, str(failed).lower()), count

    metrics.gauge(
        "querylake_rollout_candidate_share",
        "Fraction of a model's traffic that goes to its candidate; the largest of all workers.",
        shares,
        "model",
        merge="max",
    )
    metrics.gauge(
        "querylake_rollout_status",
        "1 for the current status of a model's last rollout.",
        statuses,
        "model",
        "status",
        merge="max",
    )
    metrics.gauge(
        "querylake_rollout_outcomes",
        "Requests that count in the evaluation of a rollout, since the workers started.",
        outcomes,
        "model",
        "stack",
        "failed",
    )
    metrics.gauge(
        "querylake_rollout_controllers",
        "Workers of this machine that control all rollouts: 1 on one machine, 0 on the others.",
        lambda: [((), float(rollouts.controller.acting))],
    )
    metrics.gauge(
        "querylake_rollout_routing_fresh",
        "0 while a worker cannot update its routing, because the database is unavailable.",
        lambda: [((), float(rollouts.follower.failure is None))],
        merge="min",
    )
