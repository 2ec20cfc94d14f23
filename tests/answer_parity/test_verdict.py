"""What is said in the end: different, equivalent, or not decided, and with what power."""

from __future__ import annotations

import math

from answer_parity.causes import Cause, Finding
from answer_parity.contract import Change
from answer_parity.scores import Estimate
from answer_parity.verdict import Measurements, Standing, judge


def estimate(value: float, reach: float, prompts: int = 30) -> Estimate:
    return Estimate(value, max(0.0, value - reach), value + reach, prompts, prompts * 48)


def test_a_divergence_within_the_margin_is_equivalent() -> None:
    verdict = judge(Measurements(alone=estimate(0.0006, 0.0004), shapes=20, probes=12))
    assert verdict.standing is Standing.EQUIVALENT
    assert "20 prompts render to the same tokens, 12 probes agree" in verdict.sentence
    assert "0.0006 nats a token (0.0002 to 0.001" in verdict.sentence
    assert "arithmetic under load" in verdict.not_measured


def test_a_divergence_beyond_the_margin_is_other_weights() -> None:
    verdict = judge(Measurements(alone=estimate(0.0061, 0.002)))
    assert (verdict.standing, verdict.causes) == (Standing.DIFFERENT, (Cause.WEIGHTS,))
    assert "compare the model files' digests" in verdict.remedies[0]


def test_what_is_sound_alone_and_not_in_a_batch_is_a_kernel() -> None:
    measured = Measurements(alone=estimate(0.0, 0.0), in_batch=estimate(0.3, 0.1))
    assert judge(measured).causes == (Cause.KERNEL_UNDER_LOAD,)


def test_the_old_engines_own_noise_is_allowed() -> None:
    measured = Measurements(alone=estimate(0.0025, 0.0004), noise=estimate(0.002, 0.0005))
    assert judge(measured).standing is Standing.EQUIVALENT


def test_a_wide_interval_decides_nothing_and_says_what_would() -> None:
    verdict = judge(Measurements(alone=estimate(0.0015, 0.002, prompts=10)))
    assert verdict.standing is Standing.NOT_DECIDED
    assert "about 160 prompts would decide it" in verdict.sentence
    few = judge(Measurements(alone=Estimate(0.001, -math.inf, math.inf, 3, 90)))
    assert few.standing is Standing.NOT_DECIDED
    assert judge(Measurements()).standing is Standing.NOT_DECIDED


def test_a_finding_outweighs_figures_that_agree() -> None:
    finding = Finding("tools", Cause.TEMPLATE, "37 prompt tokens, 38 now")
    verdict = judge(Measurements(findings=[finding], alone=estimate(0.0, 0.0)))
    assert verdict.standing is Standing.DIFFERENT
    assert verdict.findings == (finding,)


def test_a_lost_field_counts_only_if_callers_are_known_to_send_it() -> None:
    gone = Change("field gone", "/v1/chat/completions", "logits_processors")
    sent = Change("field gone", "/v1/chat/completions", "guided_json", sent=4)
    assert judge(Measurements(changes=[gone], shapes=1)).standing is Standing.EQUIVALENT
    assert judge(Measurements(changes=[gone, sent], shapes=1)).causes == (Cause.FIELD,)
