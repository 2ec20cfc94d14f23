"""Which rule decided a rollout, and which one its fault is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from rollout_trials.faults import EngineFault, ProxyFault, Sabotage

Rule = ProxyFault | Literal["slow pauses", "hard trigger", "another signal"]
"""Failed requests are one signal of the product; here they are called by what was wrong with them,
as faults are."""

_SLOW: dict[str, Rule] = {
    "slow_response": "slow first tokens",
    "slow_pauses": "slow pauses",
    "long_pause": "slow pauses",
}

_FAILED: dict[str, Rule] = {
    "upstream_error": "errors",
    "in_band_error": "in-band errors",
    "truncated": "truncation",
}
"""Outcomes, as the API's log has them, that are failed requests."""


def rule_of(fault: Sabotage | EngineFault | None) -> Rule | None:
    """Return the rule that a fault is to be found by."""
    if fault is None:
        return None
    return fault.fault if isinstance(fault, Sabotage) else "hard trigger"


def rules_of(decision: Mapping[str, Any], outcomes: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules by which a rollout was rolled back; none if it was not.

    Args:
        decision: its event, with the figures behind it.
        outcomes: of the new stack's requests until then.
    """
    if decision["figures"].get("alarms"):
        return ("hard trigger",)
    failed = dict.fromkeys(_FAILED[outcome] for outcome in outcomes if outcome in _FAILED)
    found: list[Rule] = []
    for signal in _worse(decision):
        name = signal["signal"]
        found += failed if name == "failed" else [_SLOW.get(name, "another signal")]
    return tuple(found)


def rates_of(decision: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the rates of the signal that decided, on the stable stack and on the candidate.

    None if no statistics were needed.
    """
    if decision["figures"].get("alarms"):
        return None
    for signal in _worse(decision):
        return signal["stable"]["rate"], signal["candidate"]["rate"]
    return None


def _worse(decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    signals = decision["figures"].get("signals", [])
    return [signal for signal in signals if signal["word"] == "worse"]
