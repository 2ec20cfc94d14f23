"""One comparison of two running engines, and its row in the results."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import Any

import httpx

from answer_parity.probes import Probe, probes
from answer_parity.shapes import CONTINUATIONS, SHAPES
from answer_parity.verdict import Measurements, judge
from parity_benchmark.engines import MODEL
from parity_benchmark.faults import Fault, FaultyTransport
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine

REQUEST_SECONDS = 120.0
FULL_EVERY = 5
"""Sound runs of which one asks probes at their full length, and compares sampling defaults."""

PROBE_TOKENS = 24
"""Length of a probe's answer in the others."""


def short_plan(seed: int) -> Plan:
    """Return a plan of some seconds: other shapes, probes, prompts and seeds each time."""
    chance = random.Random(seed)
    full = seed % FULL_EVERY == 0
    asked = chance.sample(tuple(probes()), 1)
    return Plan(
        prompts=_chats(chance.sample(CONTINUATIONS, 5)),
        shapes=chance.sample(SHAPES, 5),
        probes=asked if full else [_cut(probe) for probe in asked],
        continuation_tokens=12,
        sampling_answers=8 if full else 0,
        seed=seed,
    )


def _cut(probe: Probe) -> Probe:
    tokens = min(PROBE_TOKENS, probe.body["max_tokens"])
    return dataclasses.replace(probe, body={**probe.body, "max_tokens": tokens})


def full_plan(seed: int) -> Plan:
    """Return the plan that exact faults are looked for by: all that `parity verify` does."""
    return dataclasses.replace(scoring_plan(seed), probes=tuple(probes()), sampling_answers=24)


def scoring_plan(seed: int) -> Plan:
    """Return the plan for what only numbers show: no probes, and no sampled answers."""
    chance = random.Random(seed)
    return Plan(
        prompts=_chats(chance.sample(CONTINUATIONS, 16)),
        probes=(),
        continuation_tokens=24,
        sampling_answers=0,
        seed=seed,
        fail_fast=True,
    )


async def compared(
    urls: tuple[str, str], plan: Plan, faults: tuple[Fault | None, Fault | None] = (None, None)
) -> dict[str, Any]:
    """Compare two engines, and return a row: verdict, figures and what it cost the new engine."""
    old, new = (
        Engine(name, url, MODEL, None, REQUEST_SECONDS, _transport(fault))
        for name, url, fault in zip(("old", "new"), urls, faults, strict=True)
    )
    began = time.monotonic()
    try:
        measured = await Comparison(old, new, plan, lambda line: None).run()
    finally:
        await old.close()
        await new.close()
    verdict = judge(measured)
    return {
        "standing": verdict.standing,
        "causes": list(verdict.causes),
        "sentence": verdict.sentence,
        "notices": [notice.probe for notice in verdict.notices],
        "requests": new.requests,
        "generating": new.generating,
        "seconds": round(time.monotonic() - began, 1),
        **_figures(measured),
    }


def _figures(measured: Measurements) -> dict[str, Any]:
    estimates = {name: getattr(measured, name) for name in ("alone", "in_batch", "noise")}
    return {
        **{
            name: None if found is None else dataclasses.asdict(found)
            for name, found in estimates.items()
        },
        "probes": measured.probes,
        "shapes": measured.shapes,
    }


def _chats(texts: list[str]) -> list[dict[str, Any]]:
    return [{"messages": [{"role": "user", "content": text}]} for text in texts]


def _transport(fault: Fault | None) -> httpx.AsyncBaseTransport | None:
    return None if fault is None else FaultyTransport(fault)
