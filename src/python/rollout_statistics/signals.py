"""What a user can suffer from: each signal is one event per request and arm."""

from __future__ import annotations

from typing import Literal, get_args

Signal = Literal[
    "failed",
    "rejected",
    "refused",
    "abandoned",
    "slow_response",
    "slow_pauses",
    "long_pause",
    "odd_output",
    "no_tool_call",
]

SIGNALS: tuple[Signal, ...] = get_args(Signal)

DURATIONS: tuple[Signal, ...] = ("slow_response", "slow_pauses", "long_pause")
"""Signals whose event is a duration beyond a line that the stable stack sets. They allow for
spells, for a warm-up, for a key's first requests, and for `Policy.latency_ratio`."""

RARE: tuple[Signal, ...] = ("failed", "rejected", "refused")
"""Signals that sound stacks hardly ever have: the margin of their rate is `Policy.error_margin`."""

NAMES: dict[Signal, str] = {
    "failed": "failed requests",
    "rejected": "requests rejected by the engine",
    "refused": "requests refused by the queue",
    "abandoned": "requests abandoned by the client",
    "slow_response": "slow responses",
    "slow_pauses": "slow pauses between tokens",
    "long_pause": "long single pauses",
    "odd_output": "odd output (empty, cut by length, repetitive)",
    "no_tool_call": "responses without a tool call",
}
