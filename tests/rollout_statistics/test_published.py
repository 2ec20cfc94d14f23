"""The published tables are those of this code: some lines of them, which do not take long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollout_statistics.simulation.study import COMPARED, Scenario, faulty_canaries, run_scenario

PUBLISHED = Path("docs/rollout-statistics.md").read_text(encoding="utf-8").splitlines()
RUNS = 200
SHORT = ("first token x2, 10%", "first token x2, 50%")
LINES = [each for each in faulty_canaries(500_000) if each.name in SHORT]


@pytest.mark.parametrize("scenario", LINES, ids=lambda scenario: scenario.name)
def test_the_figures_come_out_again(scenario: Scenario) -> None:
    with ThreadPoolExecutor(1) as executor:
        outcomes = run_scenario(scenario, COMPARED, RUNS, executor)
    cells = [f"{each.quantile(0.5):,} / {each.quantile(0.9):,}" for each in outcomes]
    assert f"| {scenario.name} | {' | '.join(cells)} |" in PUBLISHED
