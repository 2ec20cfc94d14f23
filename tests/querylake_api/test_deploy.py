"""What lies in deploy/: it is read by other programs, so it is held to what this one says."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships none

from querylake_api.configuration.loading import load_configuration
from querylake_api_testing.running import RunningApi

DEPLOY = Path("deploy")
DASHBOARD = json.loads((DEPLOY / "grafana" / "querylake.json").read_text())
ALERTS = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())

_METRIC = re.compile(r"\bquerylake_[a-z_]+")
_TYPE = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)
_SELECTED = re.compile(r"(querylake_[a-z_]+)\{([^}]*)\}")
_LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")


def expressions() -> list[str]:
    panels = [
        target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])
    ]
    variables = [
        variable["definition"]
        for variable in DASHBOARD["templating"]["list"]
        if variable["type"] == "query"
    ]
    return panels + variables + [rule["expr"] for rule in rules()]


def rules() -> list[dict[str, Any]]:
    return [rule for group in ALERTS["groups"] for rule in group["rules"]]


def names_in(exposition: str) -> set[str]:
    """Return the names that Prometheus finds in an exposition, with or without samples."""
    names: set[str] = set()
    for name, kind in _TYPE.findall(exposition):
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names.update(name + suffix for suffix in suffixes)
    return names


async def test_every_metric_that_is_asked_for_exists(api: RunningApi) -> None:
    there = names_in((await api.client.get("/metrics")).text)
    asked = {name for text in expressions() for name in _METRIC.findall(text)}
    assert len(asked) > 15
    assert asked <= there


async def test_every_label_that_is_asked_for_exists(api: RunningApi) -> None:
    stream = {"model": "default", "messages": [], "stream": True}
    await api.post("/v1/chat/completions", stream)
    text = (await api.client.get("/metrics")).text
    for expression in expressions():
        for name, selectors in _SELECTED.findall(expression):
            series = re.search(rf"^{name}\{{([^}}]*)\}}", text, re.MULTILINE)
            if series is None:
                continue  # a line before a model, say, which this configuration has none of
            assert set(_LABEL.findall(selectors)) <= set(_LABEL.findall(series[1])), expression


@pytest.mark.parametrize("expression", expressions())
def test_expressions_are_balanced(expression: str) -> None:
    depth: list[str] = []
    for character in re.sub(r'"[^"]*"', "", expression):
        if character in "([{":
            depth.append({"(": ")", "[": "]", "{": "}"}[character])
        elif character in ")]}":
            assert depth.pop() == character
    assert not depth


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert set(rule["annotations"]) == {"summary", "do"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    identifiers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(identifiers) == len(set(identifiers))


def test_the_sample_configuration_is_good() -> None:
    configuration = load_configuration(DEPLOY / "querylake.toml")
    assert configuration.settings.server.workers > 1


@pytest.mark.parametrize("unit", sorted((DEPLOY / "systemd").glob("*.service")), ids=str)
def test_units_stop_as_the_programs_want_to(unit: Path) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment]
    parser.read(unit)
    service = parser["Service"]
    assert service["KillMode"] == "mixed"
    assert service["RestartPreventExitStatus"] == "78"
    drain = load_configuration(DEPLOY / "querylake.toml").settings.server.drain_seconds
    assert float(service["TimeoutStopSec"]) > drain + 10
