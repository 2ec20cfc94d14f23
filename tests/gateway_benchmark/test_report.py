"""The table: compared round by round, and silent about what was not measured."""

from __future__ import annotations

import dataclasses

import pytest

from gateway_benchmark.report import InvalidRun, faults, table
from gateway_benchmark.scenarios import LOADED, SCENARIOS, SEQUENTIAL, Sample

GOOD = Sample(
    requests=1000,
    chunks=2000,
    seconds=2.0,
    latency=0.001,
    first=0.002,
    cpu=0.5,
    other_cpu=0.0,
    rss=50_000_000,
    idle_cpu=0.5,
    errors=(),
)


def _run(sample: Sample, rounds: int = 3) -> dict[str, list[Sample]]:
    return {scenario.name: [sample] * rounds for scenario in SCENARIOS}


def test_times_are_differences_from_the_same_round() -> None:
    direct = _run(GOOD)
    slow_round = dataclasses.replace(GOOD, latency=0.101)
    direct[SEQUENTIAL.name][1] = slow_round
    own = _run(dataclasses.replace(GOOD, latency=0.004))
    own[SEQUENTIAL.name][1] = dataclasses.replace(GOOD, latency=0.104)

    row = table({"direct": direct, "gateway": own}).splitlines()[-1]

    assert row.split(" | ")[1:4] == ["3.00", "0.500", "500"]


def test_a_sample_with_wrong_answers_counts_for_nothing() -> None:
    own = _run(GOOD)
    own[LOADED.name] = [dataclasses.replace(GOOD, errors=("status 500: b''",))] * 3
    samples = {"direct": _run(GOOD), "gateway": own}

    assert table(samples).splitlines()[-1].split(" | ")[2:4] == ["-", "-"]
    assert faults(samples) == ["gateway, loaded: 3 wrong answers, e.g. status 500: b''"]


def test_a_saturated_rig_is_told() -> None:
    samples = {"direct": _run(GOOD), "fast": _run(dataclasses.replace(GOOD, idle_cpu=0.05))}

    assert len(faults(samples)) == len(SCENARIOS)


@pytest.mark.parametrize(
    "samples",
    [{}, {"direct": _run(dataclasses.replace(GOOD, errors=("refused",)))}],
    ids=["nothing to compare with", "a broken engine"],
)
def test_no_table_without_a_baseline(samples: dict[str, dict[str, list[Sample]]]) -> None:
    with pytest.raises(InvalidRun):
        table(samples)
