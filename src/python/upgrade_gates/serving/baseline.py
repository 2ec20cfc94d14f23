"""The baseline of an engine: what is measured, and how it compares with the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.evidence.chain import Chain, Record
from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.serving.timing import Load, load, percentile

CONCURRENCIES = (1, 4, 16)
LATENCY = "3.baseline.ttft"
THROUGHPUT = "3.baseline.throughput"

MARGIN = 1.25
"""How many times worse than the last baseline counts as a regression."""

NOISE_MS = 5.0
"""A difference smaller than this is none, whatever the ratio."""

ENOUGH = {50: 2, 95: 20}
"""How many values a percentile needs, so that at least one is expected beyond it."""

NEEDED = ("ttft_p50_c1_ms", "inter_token_p50_c1_ms")
"""Figures without which there is no baseline: the next run would have nothing to be held against.
"""

AT_LEAST = "_at_least_ms"
"""Ends the name of a percentile that lies beyond everything that was seen."""


@dataclass(frozen=True)
class Comparison:
    """What a baseline is held against.

    Attributes:
        last: figures of the last baseline of this engine's role and model; None for the first.
        record: where they are.
        margin: more times worse than this is a regression.
        accepted: whether a regression is taken as the new baseline.
    """

    last: Mapping[str, Figure] | None
    record: str
    margin: float
    accepted: bool


async def measure(provider: OpenAIHTTPProvider, model: str, *, seconds: float) -> tuple[Load, ...]:
    """Measure at each concurrency, after one request that warms the engine up.

    Args:
        seconds: for all of it.
    """
    share = seconds / (len(CONCURRENCIES) + 1)
    await load(provider, model, concurrency=1, seconds=share, requests=1)
    return tuple(
        [
            await load(provider, model, concurrency=concurrency, seconds=share)
            for concurrency in CONCURRENCIES
        ]
    )


def latency(loads: tuple[Load, ...]) -> Outcome:
    """Return time to first token and between tokens, with one request at a time and with more."""
    figures: dict[str, Figure] = {}
    for each in loads:
        figures |= _percentiles("ttft", each.concurrency, each.first_tokens, each.waits)
        figures |= _percentiles("inter_token", each.concurrency, each.gaps)
        figures[f"requests_c{each.concurrency}"] = len(each.requests)
    said = (
        f"first token p50 {_shown(figures, 'ttft_p50_c1')}, p95 {_shown(figures, 'ttft_p95_c1')}; "
        f"between tokens p50 {_shown(figures, 'inter_token_p50_c1')}, "
        f"p95 {_shown(figures, 'inter_token_p95_c1')} (one request at a time)"
    )
    outcome = _outcome(loads, said, figures)
    lacking = [name for name in NEEDED if not isinstance(figures.get(name), float)]
    if outcome.verdict is not Verdict.PASS or not lacking:
        return outcome
    return Outcome(
        Verdict.INCONCLUSIVE,
        f"{said}: {' and '.join(lacking)} could not be measured, {_few(loads[0])}; give more time "
        "with --seconds",
        outcome.output,
        figures,
    )


def _few(one: Load) -> str:
    """Return what there was to measure, with one request at a time."""
    first = ", ".join(f"{_ms(value):g} ms" for value in one.first_tokens[:3])
    return (
        f"for in {one.seconds:.0f} s only {len(one.first_tokens)} of {len(one.requests)} requests "
        f"had a first token ({first or 'none'})"
    )


def _percentiles(
    name: str, concurrency: int, seen: Sequence[float], waits: Sequence[float] = ()
) -> dict[str, Figure]:
    """Return percentiles in milliseconds; None where there are too few values for one.

    Args:
        waits: values that were not seen to their end. Leaving them out would flatter a slow
            engine, whose late answers are the ones that do not come within the time.
    """
    figures: dict[str, Figure] = {}
    everything = [*seen, *waits]
    for share, enough in ENOUGH.items():
        key = f"{name}_p{share}_c{concurrency}"
        if len(everything) < enough:
            figures[f"{key}_ms"] = None
            continue
        value = percentile(seen, share / 100, waits)
        if value is None:
            figures[f"{key}{AT_LEAST}"] = _ms(max(everything))
        else:
            figures[f"{key}_ms"] = _ms(value)
    return figures


def throughput(loads: tuple[Load, ...]) -> Outcome:
    """Return tokens per second at each concurrency."""
    figures: dict[str, Figure] = {
        f"tokens_per_second_c{each.concurrency}": round(each.tokens_per_second, 1) for each in loads
    }
    said = ", ".join(f"{each.tokens_per_second:.1f} at {each.concurrency}" for each in loads)
    return _outcome(loads, f"tokens per second: {said} requests at once", figures)


def _outcome(loads: tuple[Load, ...], said: str, figures: dict[str, Figure]) -> Outcome:
    failures = [failure for each in loads for failure in each.failures]
    raw = "".join(
        f"concurrency {each.concurrency}: {len(each.requests)} requests, "
        f"{sum(timed.tokens for timed in each.requests)} tokens in {each.seconds:.2f} s\n"
        + "".join(f"  failed: {failure}\n" for failure in each.failures)
        for each in loads
    )
    if failures:
        return Outcome(Verdict.FAIL, f"under load: {failures[0]}", raw, figures)
    silent = next((each for each in loads if not each.first_tokens), None)
    if silent is not None:
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"with {silent.concurrency} requests at once, no token came within "
            f"{silent.seconds:.0f} s; give more time with --seconds",
            raw,
            figures,
        )
    return Outcome(Verdict.PASS, said, raw, figures)


def compared(outcome: Outcome, comparison: Comparison) -> Outcome:
    """Return an outcome that also says how it compares, and fails where it is worse."""
    if outcome.verdict is Verdict.INCONCLUSIVE and comparison.last is not None:
        # Too few figures for a baseline may still be enough to see that it is worse.
        worse = regressions(outcome.figures, comparison.last, comparison.margin)
        if worse and not comparison.accepted:
            return _regression(outcome, worse, comparison)
    if outcome.verdict is not Verdict.PASS:
        return outcome
    if comparison.last is None:
        reason = f"{outcome.reason}; the first baseline"
        return Outcome(Verdict.PASS, reason, outcome.output, outcome.figures)
    worse = regressions(outcome.figures, comparison.last, comparison.margin)
    if not worse:
        reason = f"{outcome.reason}; no worse than {comparison.record}"
        return Outcome(Verdict.PASS, reason, outcome.output, outcome.figures)
    if comparison.accepted:
        reason = f"{outcome.reason}; accepted: {_than(worse, comparison)}"
        return Outcome(Verdict.PASS, reason, outcome.output, outcome.figures)
    return _regression(outcome, worse, comparison)


def _regression(outcome: Outcome, worse: list[str], comparison: Comparison) -> Outcome:
    return Outcome(
        Verdict.FAIL,
        f"a regression: {_than(worse, comparison)}; mend it, or take it as the new baseline with "
        "--accept",
        outcome.output,
        outcome.figures,
    )


def _than(worse: list[str], comparison: Comparison) -> str:
    return f"{'; '.join(worse)} (than in {comparison.record}; margin {comparison.margin:g})"


def regressions(now: Mapping[str, Figure], last: Mapping[str, Figure], margin: float) -> list[str]:
    """Name each figure that is worse than before by more than a margin."""
    worse = []
    for name, figure in now.items():
        # What is only known to be at least so long can be compared with what was known, and never
        # be what others are compared with.
        before = last.get(name.replace(AT_LEAST, "_ms"))
        if not isinstance(figure, int | float) or not isinstance(before, int | float):
            continue
        if name.endswith("_ms") and figure > before * margin and figure - before > NOISE_MS:
            worse.append(f"{name} {figure:g}, was {before:g}: {_times(figure, before)} as long")
        if name.startswith("tokens_per_second") and figure * margin < before:
            worse.append(f"{name} {figure:g}, was {before:g}: {_times(before, figure)} slower")
        if name.endswith("_mib") and figure > before * margin:
            worse.append(f"{name} {figure:g}, was {before:g}: {_times(figure, before)} as much")
    return worse


def last_baseline(chain: Chain, check: str, model: str) -> Record | None:
    """Return the last accepted baseline of a model, whatever engine or address served it.

    A failed one is none: a regression that nobody accepted must not become what the next is held
    against.
    """
    for record in reversed(chain.records):
        predicate = record.statement.predicate
        if (
            record.check == check
            and predicate.verdict is Verdict.PASS
            and predicate.figures.get("model") == model
        ):
            return record
    return None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _shown(figures: Mapping[str, Figure], key: str) -> str:
    """Return a percentile as it is told."""
    for ending, word in (("_ms", ""), (AT_LEAST, "at least ")):
        figure = figures.get(f"{key}{ending}")
        if isinstance(figure, float):
            return f"{word}{figure:.1f} ms"
    return "of too few requests"


def _times(one: float, other: float) -> str:
    return f"{one / other:.2f} times" if other else "infinitely"
