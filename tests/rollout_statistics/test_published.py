"""The published tables are those of this code: some lines of them, which do not take long."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rollout_statistics.simulation.scenarios import Scenario, faulty, few_keys
from rollout_statistics.simulation.study import run_scenario

PUBLISHED = Path("docs/rollout-statistics.md").read_text(encoding="utf-8").splitlines()
RUNS = 30
SHORT = ("30% empty, 10%", "30% rejected (4xx), 10%", "8 keys, all fail, 50%")
LINES = [each for each in (*faulty(), *few_keys()) if each.name in SHORT]


@pytest.mark.parametrize("scenario", LINES, ids=lambda scenario: scenario.name)
def test_the_figures_come_out_again(scenario: Scenario) -> None:
    with ThreadPoolExecutor(1) as executor:
        outcome = run_scenario(scenario, range(RUNS), executor)
    figures = f"{outcome.requests(0.5):,} / {outcome.requests(0.9):,}"
    assert any(line.startswith(f"| {scenario.name} | {figures} |") for line in PUBLISHED), figures
