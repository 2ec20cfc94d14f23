"""Evidence as JSON, so that whoever judges next goes on from there.

Keys take one row each, with the totals of every signal that saw them: there may be fifty thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import chain
from typing import Any

from querylake_api.rollouts.judging.long_json import Members, Rows
from rollout_statistics.change_detector import ChangeDetector
from rollout_statistics.counts import Block, Counts
from rollout_statistics.evidence import Evidence
from rollout_statistics.half_plane import HalfPlaneTest
from rollout_statistics.odds_ratio import OddsRatioTest, not_worse
from rollout_statistics.open_block import OpenBlock
from rollout_statistics.outcomes import ARMS, Arm, Kind
from rollout_statistics.policy import Policy
from rollout_statistics.signal_evidence import SignalEvidence, margin
from rollout_statistics.signals import SIGNALS, Signal
from rollout_statistics.slow_line import SlowLine
from rollout_statistics.spells import Moment, Moments
from rollout_statistics.window_spread import Windows, WindowSpread

FORMAT = 3
"""Evidence of another format is not read: the rollout is judged anew from where it is."""


def to_document(evidence: Evidence, elapsed: float) -> dict[str, Any]:
    """Return evidence for `to_json`.

    Args:
        elapsed: seconds since the rollout began, as far as it was watched.
    """
    return {
        "format": FORMAT,
        "elapsed": elapsed,
        "step": evidence.step,
        "began_at": evidence.began_at,
        "listed_requests": evidence.listed_requests,
        "signals": {name: _signal(seen) for name, seen in evidence.signals.items()},
        "lines": [
            [*place, sorted(line.durations.buckets.items())]
            for place, line in evidence.lines.items()
        ],
        "open_blocks": {
            stratum: [block.since, [[*kind, count] for kind, count in block.counts.items()]]
            for stratum, block in evidence.open_blocks.items()
        },
        "firsts": Rows(lambda: ([*place, made] for place, made in evidence.firsts.items())),
        **{f"keys_{arm}": Members(partial(_keys, evidence, arm)) for arm in ARMS},
    }


def of_document(
    policy: Policy, listed: Collection[str], document: Mapping[str, Any] | None
) -> tuple[Evidence, float]:
    """Return the evidence that a JSON is of, and the seconds that had elapsed; None begins anew."""
    evidence = Evidence(policy, listed)
    if document is None or document.get("format") != FORMAT:
        return evidence, 0.0
    evidence.step = document["step"]
    evidence.began_at = document["began_at"]
    evidence.listed_requests = document["listed_requests"]
    for signal in SIGNALS:
        _restore(policy, signal, evidence.signals[signal], document["signals"][signal])
    for stratum, arm, signal, buckets in document["lines"]:
        evidence.lines[stratum, arm, signal] = SlowLine(dict(buckets))
    for stratum, (since, kinds) in document["open_blocks"].items():
        block = evidence.open_blocks[stratum] = OpenBlock(since)
        block.add((Kind(*kind), count) for *kind, count in kinds)
    evidence.firsts = {(arm, key): made for arm, key, made in document["firsts"]}
    for arm in ARMS:
        ledgers = [evidence.signals[signal].keys[arm] for signal in SIGNALS]
        for key, totals in document[f"keys_{arm}"].items():
            for ledger, (trials, events) in zip(ledgers, _pairs(totals), strict=True):
                if trials:
                    ledger.add(key, trials, events)
    return evidence, document["elapsed"]


def _keys(evidence: Evidence, arm: Arm) -> Iterator[tuple[str, list[int]]]:
    totals = [evidence.signals[signal].keys[arm].totals for signal in SIGNALS]
    for key in dict.fromkeys(chain.from_iterable(totals)):
        yield key, [number for each in totals for number in each.get(key, (0, 0))]


def _pairs(totals: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(totals[::2], totals[1::2], strict=True))


def _signal(seen: SignalEvidence) -> dict[str, Any]:
    test, odds, moments = seen.not_worse, seen.odds_not_worse, seen.moments
    return {
        "worse": seen.worse.state,
        "not_worse": [test.value, *_pair(test.control), *_pair(test.canary)],
        "odds_not_worse": None if odds is None else odds.log_ratios,
        "excess": [seen.excess.events, seen.excess.weight],
        "spread": [asdict(windows) for windows in seen.spread.scales],
        "moments": None if moments is None else _moments(moments),
        "control": _pair(seen.control),
        "canary": _pair(seen.canary),
        "first_at": seen.first_at,
        "step_at": seen.step_at,
    }


def _restore(
    policy: Policy, signal: Signal, seen: SignalEvidence, document: Mapping[str, Any]
) -> None:
    value, *four = document["not_worse"]
    seen.worse = ChangeDetector(document["worse"])
    seen.not_worse = HalfPlaneTest(
        "not_worse",
        margin(policy, signal),
        value=value,
        control=Counts(*four[:2]),
        canary=Counts(*four[2:]),
    )
    odds = document["odds_not_worse"]
    seen.odds_not_worse = odds and OddsRatioTest(odds, not_worse(policy.slow_odds))
    seen.excess.events, seen.excess.weight = document["excess"]
    seen.spread = WindowSpread(tuple(map(_windows, document["spread"])))
    moments = document["moments"]
    seen.moments = moments and Moments(
        [list(map(_moment, level)) for level in moments["levels"]],
        moments["opened_at"],
        _moment(moments["open"]),
    )
    seen.control, seen.canary = Counts(*document["control"]), Counts(*document["canary"])
    seen.first_at, seen.step_at = document["first_at"], document["step_at"]


def _moments(moments: Moments) -> dict[str, Any]:
    return {
        "levels": [list(map(_numbers, level)) for level in moments.levels],
        "opened_at": moments.opened_at,
        "open": _numbers(moments.open),
    }


def _numbers(moment: Moment) -> list[float]:
    return [moment.seconds, *_pair(moment.block.control), *_pair(moment.block.canary)]


def _moment(numbers: Sequence[Any]) -> Moment:
    seconds, *four = numbers
    return Moment(seconds, Block(Counts(*four[:2]), Counts(*four[2:])))


def _windows(document: Mapping[str, Any]) -> Windows:
    counts = {name: Counts(**value) for name, value in document.items() if isinstance(value, dict)}
    last = document["last"]
    return Windows(**{**document, **counts, "last": None if last is None else tuple(last)})


def _pair(counts: Counts) -> list[int]:
    return [counts.trials, counts.events]
