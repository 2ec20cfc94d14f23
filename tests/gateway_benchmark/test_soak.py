"""What a soak calls a fault."""

from __future__ import annotations

import pytest

from gateway_benchmark.soak import Moment, Soak


def _run(sizes: list[float], sockets: list[int], errors: list[str] | None = None) -> list[str]:
    moments = [
        Moment(float(at), int(size * 1e6), count)
        for at, (size, count) in enumerate(zip(sizes, sockets, strict=True))
    ]
    return Soak(moments, 10, 1000, errors or []).verdicts()


def test_a_flat_run_is_no_fault() -> None:
    assert _run([80, 100, 100, 101, 100, 102, 102], [40] * 6 + [15]) == []


@pytest.mark.parametrize(
    ("sizes", "sockets", "errors", "fault"),
    [
        ([80, 100, 110, 120, 130, 140, 140], [40] * 6 + [10], [], "memory grows"),
        ([100] * 7, [40] * 6 + [19], [], "9 sockets more"),
        ([100] * 7, [40] * 6 + [10], ["status 500"], "1 wrong answers"),
    ],
)
def test_growth_leaks_and_wrong_answers_are_named(
    sizes: list[float], sockets: list[int], errors: list[str], fault: str
) -> None:
    (verdict,) = _run(sizes, sockets, errors)

    assert fault in verdict
