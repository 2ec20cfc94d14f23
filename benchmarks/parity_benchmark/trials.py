"""One comparison of two running engines, and its row in the results."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import Any

import httpx

from answer_parity.probes import probes
from answer_parity.shapes import CONTINUATIONS, SHAPES
from answer_parity.verdict import Measurements, judge
from parity_benchmark.engines import MODEL
from parity_benchmark.faults import Fault, FaultyTransport
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine

REQUEST_SECONDS = 120.0
SAMPLED_EVERY = 4
"""Sound runs of which one draws answers to compare sampling defaults."""


def short_plan(seed: int) -> Plan:
    """Return a plan of some ten seconds: other shapes, probes, prompts and seeds each time."""
    chance = random.Random(seed)
    return Plan(
        prompts=_chats(chance.sample(CONTINUATIONS, 6)),
        shapes=chance.sample(SHAPES, 5),
        probes=chance.sample(tuple(probes()), 2),
        continuation_tokens=16,
        sampling_answers=8 if seed % SAMPLED_EVERY == 0 else 0,
        seed=seed,
    )


def full_plan(seed: int) -> Plan:
    """Return the plan that faults are looked for by: what `parity verify` does, with its end."""
    chance = random.Random(seed)
    return Plan(
        prompts=_chats(chance.sample(CONTINUATIONS, 16)),
        continuation_tokens=32,
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
