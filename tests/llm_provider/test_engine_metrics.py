"""What engines' metrics say of their work."""

from __future__ import annotations

from llm_provider.engine_metrics import EngineMetrics, ProgressWatch, parse_engine_metrics

VLLM = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 1.0
vllm:num_requests_waiting{engine="0",model_name="m"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="m"} 639.0
vllm:prompt_tokens_created{engine="0",model_name="m"} 1.79e+09
vllm:generation_tokens_total{engine="0",model_name="m"} 231.0
process_start_time_seconds 1.79542232085e+09
"""


def test_vllm() -> None:
    assert parse_engine_metrics(VLLM) == EngineMetrics(
        running=3, waiting=4, tokens=870, cache_usage=0.25, started_at=1795422320.85
    )


def test_the_cpu_runtime() -> None:
    text = (
        'cpu_runtime_requests_running{model="a"} 1.0\n'
        'cpu_runtime_requests_waiting{model="a"} 0.0\n'
        'cpu_runtime_prompt_tokens_total{model="a"} 5.0\n'
        'cpu_runtime_generation_tokens_total{model="a"} 7.0\n'
    )
    assert parse_engine_metrics(text) == EngineMetrics(running=1, waiting=0, tokens=12)


def test_other_texts_say_nothing() -> None:
    for text in ("", "<html>", "up 1\n", 'vllm:num_requests_running{a="b"} 1.0\n'):
        assert parse_engine_metrics(text) is None


def look(running: int, tokens: int, cache: float = 0.0) -> EngineMetrics:
    return EngineMetrics(running, 0, tokens, cache)


def test_requests_without_tokens_are_a_stall() -> None:
    watch = ProgressWatch()
    watch.observe(look(1, 10), 0.0)
    assert watch.stalled_seconds == 0.0
    watch.observe(look(1, 10), 6.0)
    assert watch.stalled_seconds == 6.0
    watch.observe(look(1, 10), 7.0)
    assert watch.stalled_seconds == 7.0
    watch.observe(look(2, 11), 8.0)
    assert watch.stalled_seconds == 0.0


def test_an_idle_engine_is_not_stalled() -> None:
    watch = ProgressWatch()
    for now in (0.0, 100.0):
        watch.observe(look(0, 10), now)
        assert watch.stalled_seconds == 0.0
    watch.observe(look(1, 10), 200.0)
    watch.observe(look(1, 10), 203.0)
    assert watch.stalled_seconds == 3.0


def test_requests_that_a_stuck_engine_does_not_count_are_counted_by_their_sender() -> None:
    watch = ProgressWatch()
    for now, unanswered in ((0.0, 0), (1.0, 2), (2.0, 3), (4.0, 3)):
        watch.observe(look(0, 10), now, unanswered)
    assert watch.stalled_seconds == 3.0
    watch.observe(look(0, 12), 5.0, 3)
    assert watch.stalled_seconds == 0.0
    watch.observe(look(0, 12), 9.0, 0)
    assert watch.stalled_seconds == 0.0


def test_reading_a_long_prompt_is_progress() -> None:
    watch = ProgressWatch()
    watch.observe(look(1, 10, 0.1), 0.0)
    watch.observe(look(1, 10, 0.2), 30.0)
    watch.observe(look(1, 10, 0.2), 31.0)
    assert watch.stalled_seconds == 1.0


def test_an_engine_that_was_started_anew_begins_anew() -> None:
    watch = ProgressWatch()
    watch.observe(look(1, 1000), 0.0)
    watch.observe(look(1, 3), 30.0)
    assert watch.stalled_seconds == 0.0
