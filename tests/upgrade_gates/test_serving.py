"""Gate 3 against what real vLLM has answered, and against the faults that it must see."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upgrade_gates.evidence.chain import Record
from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.pex_file import Ran
from upgrade_gates.serving.baseline import (
    Comparison,
    compared,
    last_baseline,
    latency,
    regressions,
    throughput,
)
from upgrade_gates.serving.gpu_memory import gpu_memory, judge_query
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.serving.streaming import judge_stream
from upgrade_gates.serving.timing import Load, Timed, percentile
from upgrade_gates.session import open_session
from upgrade_gates_testing.process import run
from upgrade_gates_testing.records import records_of, said
from upgrade_gates_testing.replay import MODEL, RECORDED, Recorded, Replay, replaying
from upgrade_gates_testing.workspaces import make_workspace

VERSIONS = ("vllm-0.13.0", "vllm-0.32.0")


@pytest.fixture(params=VERSIONS)
def engine(request: pytest.FixtureRequest) -> Iterator[Replay]:
    """A recorded engine."""
    with replaying(request.param) as replay:
        yield replay


@pytest.fixture()
def recorded() -> Iterator[Replay]:
    """The recorded engine of the stable channel."""
    with replaying(VERSIONS[0]) as replay:
        yield replay


def verify(folder: Path, replay: Replay, *options: str) -> tuple[int, dict[str, Record]]:
    """Run the command and return its exit code and the last record of each line."""
    if not (folder / ".upgrade").exists():
        make_workspace(folder)
    done = run(folder, "serving", "verify", "--url", replay.url, "--model", MODEL, *options)
    assert done.stderr == ""
    return done.returncode, records_of(folder)


def test_real_vllm_conforms(tmp_path: Path, engine: Replay) -> None:
    code, records = verify(tmp_path, engine, "--no-measure")
    assert code == 0
    assert sorted(records) == [
        *("3.endpoints.chat", "3.endpoints.errors"),
        *("3.endpoints.models", "3.endpoints.stream", "3.serve"),
    ]
    assert "Paris" in said(records, "3.endpoints.chat")[1]
    assert "data: [DONE]" in (records["3.endpoints.stream"].statement.predicate.output.text or "")
    assert "unknown model 404, bad JSON 400, a bad field 400" in (
        said(records, "3.endpoints.errors")[1]
    )
    assert "setting:serving" in records["3.serve"].statement.digests()


@pytest.mark.parametrize(
    ("recording", "change", "check", "says"),
    [
        ("models", lambda body: body.replace(b"smollm2", b"other"), "models", "is not listed"),
        ("chat", lambda body: body.replace(b'"stop"', b"null"), "chat", "finish_reason is None"),
        ("chat", lambda body: body.replace(b'"prompt_tokens"', b'"x"'), "chat", "three counts"),
        ("chat", lambda _: b'{"error": {"message": "no", "code": 500}}', "chat", "no"),
        ("err_unknown_model", lambda _: b"nope", "errors", "no error object"),
    ],
)
def test_an_answer_that_does_not_conform_is_named(
    tmp_path: Path,
    recorded: Replay,
    recording: str,
    change: Callable[[bytes], bytes],
    check: str,
    says: str,
) -> None:
    recorded.changes[recording] = change
    code, records = verify(tmp_path, recorded, "--no-measure")
    assert code == 1
    verdict, why = said(records, f"3.endpoints.{check}")
    assert (verdict, says in why) == (Verdict.FAIL, True), why


STREAM = Recorded.read(RECORDED / VERSIONS[0] / "chat_stream_usage.txt").body
CHUNKS = STREAM.split(b"\n\n")


def without(pattern: bytes) -> bytes:
    return b"\n\n".join(chunk for chunk in CHUNKS if not re.search(pattern, chunk))


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (without(rb"\[DONE\]") + b"\n\n", "it ends without [DONE]"),
        (without(rb'"usage"'), "there is no usage"),
        (without(rb'"finish_reason":"stop"'), "the finish reason is None"),
        (without(rb'"role"'), "does not name the role"),
        (without(rb'"content":"[^"]'), "there is no text"),
        (STREAM + b"data: {}\n\n", "something follows [DONE]"),
        (STREAM.replace(b"chatcmpl-", b"x", 1), "the chunks have 2 ids"),
        (
            STREAM.replace(b"data: [DONE]", b'data: {"error":{"message":"EngineCore"}}'),
            "EngineCore",
        ),
        (STREAM.replace(b"data: {", b"data: {{", 1), "no JSON object"),
        (b"", "there is no text"),
    ],
)
def test_what_a_stream_lacks_is_named(stream: bytes, says: str) -> None:
    problems, _ = judge_stream(stream, "engine")
    assert any(says in problem for problem in problems), problems


def test_recorded_streams_have_everything() -> None:
    for version in VERSIONS:
        body = Recorded.read(RECORDED / version / "chat_stream_usage.txt").body
        assert judge_stream(body, "engine") == ([], "The capital of France is Paris.")


SLOW = {"ttft_p50_c1_ms": 1e9, "tokens_per_second_c1": 0.001}
FAST = {"ttft_p50_c1_ms": 0.001, "tokens_per_second_c1": 1e9}


def write_baseline(folder: Path, figures: dict[str, float]) -> None:
    """Write a baseline as an earlier run would have, so that nothing here depends on time."""
    now = datetime.datetime.now(datetime.UTC)
    findings = [
        Finding(
            check=check,
            verdict=Verdict.PASS,
            reason="measured",
            started_at=now,
            finished_at=now,
            figures={"model": MODEL, **figures},
        )
        for check in ("3.baseline.ttft", "3.baseline.throughput")
    ]
    make_workspace(folder).store.append(findings, command=["x"])


def test_a_baseline_is_measured_and_a_regression_is_named(tmp_path: Path, recorded: Replay) -> None:
    options = ("--seconds", "1", "--no-gpu")
    recorded.delay = 0.001
    write_baseline(tmp_path, SLOW)
    code, records = verify(tmp_path, recorded, *options)
    assert code == 0, said(records, "3.baseline.ttft")
    figures = records["3.baseline.ttft"].statement.predicate.figures
    first = figures["ttft_p50_c1_ms"]
    assert isinstance(first, float)
    assert first >= 1
    rates = records["3.baseline.throughput"].statement.predicate.figures
    assert all(rates[f"tokens_per_second_c{level}"] for level in (1, 4, 16))
    assert "no worse than record 1" in said(records, "3.baseline.ttft")[1]

    write_baseline(tmp_path, FAST)
    code, records = verify(tmp_path, recorded, *options)
    assert code == 1
    verdict, why = said(records, "3.baseline.ttft")
    assert verdict is Verdict.FAIL
    assert why.startswith("a regression: ttft_p50_c1_ms")
    assert "--accept" in why
    assert said(records, "3.baseline.throughput")[0] is Verdict.FAIL
    # A regression that nobody accepted is not what the next is held against.
    last = last_baseline(open_session(tmp_path).store.read(), "3.baseline.ttft", MODEL)
    assert last is not None
    assert last.statement.predicate.figures["ttft_p50_c1_ms"] == FAST["ttft_p50_c1_ms"]


def test_the_first_baseline_and_an_accepted_regression() -> None:
    now = Outcome(Verdict.PASS, "measured", figures={"ttft_p50_c1_ms": 50.0})

    def against(last: dict[str, float] | None, *, accepted: bool = False) -> Outcome:
        figures = None if last is None else dict[str, Figure](last)
        return compared(now, Comparison(figures, "record 1", 1.25, accepted))

    assert against(None).reason == "measured; the first baseline"
    assert against(FAST).verdict is Verdict.FAIL
    taken = against(FAST, accepted=True)
    assert (taken.verdict, "; accepted: ttft_p50_c1_ms 50" in taken.reason) == (Verdict.PASS, True)


def test_requests_that_still_wait_count_as_having_waited_so_long() -> None:
    """Or an engine that got faster, and so answered one more late request, would look slower."""
    answered = [Timed(0.0, [0.5, 0.6]), Timed(0.0, [0.7, 0.8])]
    waiting = [Timed(5.0), Timed(6.0), Timed(7.0)]
    found = latency((Load(16, (*answered, *waiting), 10.0, ()),)).figures
    # Waited: 5, 4 and 3 s, all longer than what was seen.
    assert found["ttft_p50_c16_at_least_ms"] == 5000.0
    assert "ttft_p50_c16_ms" not in found
    assert regressions(found, {"ttft_p50_c16_ms": 2000.0}, 1.25)[0].startswith(
        "ttft_p50_c16_at_least_ms 5000, was 2000"
    )
    assert regressions(found, {"ttft_p50_c16_ms": 4500.0}, 1.25) == []
    assert regressions({"ttft_p50_c16_ms": 9000.0}, found, 1.25) == []
    known = latency((Load(16, (*answered, *answered, *waiting), 10.0, ()),)).figures
    assert known["ttft_p50_c16_ms"] == 700.0


def test_a_percentile_needs_enough_requests() -> None:
    def p95(requests: int) -> Figure:
        load = Load(1, tuple(Timed(0.0, [0.1]) for _ in range(requests)), 1.0, ())
        return latency((load,)).figures["ttft_p95_c1_ms"]

    assert (p95(19), p95(20)) == (None, 100.0)
    said = latency((Load(1, (Timed(0.0, [0.1]),), 1.0, ()),)).reason
    assert said.startswith("first token p50 of too few requests, p95 of too few requests; ")


def test_no_figure_is_no_pass() -> None:
    """The next run would have nothing to be held against."""
    only = latency((Load(1, (Timed(0.0, [0.1, 0.2]), Timed(0.5)), 40.0, ()),))
    assert only.verdict is Verdict.INCONCLUSIVE
    assert "only 1 of 2 requests had a first token (100 ms)" in only.reason
    assert "--seconds" in only.reason
    enough = latency((Load(1, tuple(Timed(0.0, [0.1, 0.2]) for _ in range(2)), 40.0, ()),))
    assert enough.verdict is Verdict.PASS
    one_piece = latency((Load(1, tuple(Timed(0.0, [0.1]) for _ in range(2)), 40.0, ()),))
    assert "inter_token_p50_c1_ms could not be measured" in one_piece.reason
    worse = compared(only, Comparison({"ttft_p50_c1_at_least_ms": 1.0}, "record 1", 1.25, False))
    assert worse.verdict is Verdict.INCONCLUSIVE
    late = latency((Load(1, (Timed(0.0, [9.0, 9.1]), *(Timed(0.0),) * 3), 40.0, ()),))
    assert late.verdict is Verdict.INCONCLUSIVE
    held = compared(late, Comparison({"ttft_p50_c1_ms": 1.0}, "record 1", 1.25, False))
    assert held.verdict is Verdict.FAIL


def test_an_engine_that_is_silent_or_fails_under_load() -> None:
    answered = Load(1, (Timed(0.0, [0.1, 0.2]),), 1.0, ())
    silent = latency((answered, Load(4, (Timed(0.0),), 1.0, ())))
    assert silent.verdict is Verdict.INCONCLUSIVE
    assert "with 4 requests at once, no token came" in silent.reason
    failed = throughput((answered, Load(4, (Timed(0.0),), 1.0, ("it answers 500: no",))))
    assert (failed.verdict, failed.reason) == (Verdict.FAIL, "under load: it answers 500: no")
    assert throughput((answered,)).figures == {"tokens_per_second_c1": 2.0}


def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    code, records = verify(tmp_path, Replay("", url="http://127.0.0.1:1/v1"), "--seconds", "1")
    assert code == 1
    assert "start the engine" in said(records, "3.serve")[1]
    assert said(records, "3.baseline.ttft")[0] is Verdict.NOT_CHECKABLE


def test_the_key_comes_from_the_variable_and_is_not_recorded(
    tmp_path: Path, recorded: Replay
) -> None:
    make_workspace(tmp_path)
    options = ("--url", recorded.url, "--model", MODEL, "--key-env", "ENGINE_KEY", "--no-measure")
    missing = run(tmp_path, "serving", "verify", *options)
    assert missing.returncode == 2
    assert "ENGINE_KEY" in missing.stderr
    done = run(tmp_path, "serving", "verify", *options, "--json", ENGINE_KEY="sk-secret")
    assert done.returncode == 0
    assert recorded.keys == {"Bearer sk-secret"}
    assert len(json.loads(done.stdout)) == 5
    written = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any("sk-secret" in text for text in written)


def test_which_differences_are_regressions() -> None:
    before = {"ttft_p50_c1_ms": 100.0, "tokens_per_second_c1": 50.0, "gpu_used_mib": 1000}
    assert regressions(before, before, 1.25) == []
    for name, better, worse in (
        ("ttft_p50_c1_ms", 20.0, 126.0),
        ("tokens_per_second_c1", 90.0, 39.0),
        ("gpu_used_mib", 10, 1251),
    ):
        assert regressions({name: better}, before, 1.25) == []
        assert regressions({name: worse}, before, 1.25)[0].startswith(name)
    assert regressions({"ttft_p50_c1_ms": 6.0}, {"ttft_p50_c1_ms": 2.0}, 1.25) == []
    assert regressions({"ttft_p50_c1_ms": None, "new_ms": 1.0}, before, 1.25) == []


def test_percentiles() -> None:
    assert percentile([3.0], 0.95) == 3.0
    assert percentile([float(n) for n in range(1, 101)], 0.95) == 95.0
    assert percentile([2.0, 1.0], 0.5) == 1.0
    # One that has only just begun says nothing; one that waits since long ago says much.
    assert percentile([2.0, 1.0], 0.5, waits=[0.1]) == 1.0
    assert percentile([2.0, 1.0], 0.5, waits=[9.0]) == 2.0
    assert percentile([2.0, 1.0], 0.95, waits=[9.0]) is None


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from((0.5, 0.95)))
def test_without_waiting_it_is_the_plain_percentile(values: list[float], share: float) -> None:
    found = percentile(values, share)
    assert found is not None
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values)


def test_gpu_memory() -> None:
    def judged(output: str, code: int = 0) -> tuple[Verdict, dict[str, object]]:
        outcome = judge_query(Ran(("nvidia-smi",), code, output, ""))
        return outcome.verdict, dict(outcome.figures)

    two = "0, NVIDIA A100, 70123, 81920\n1, NVIDIA A100, 11, 81920\n"
    assert judged(two) == (
        Verdict.PASS,
        {"gpu0_used_mib": 70123, "gpu1_used_mib": 11, "gpu_used_mib": 70134},
    )
    assert judged("0, NVIDIA GB10, [N/A], [N/A]\n") == (Verdict.NOT_CHECKABLE, {})
    assert judged("Failed to initialize NVML", code=9)[0] is Verdict.NOT_CHECKABLE
    absent = gpu_memory("http://localhost:1/v1", tool="no-such-nvidia-smi")
    assert absent.verdict is Verdict.NOT_CHECKABLE
    assert "run this there" in gpu_memory("http://gpu1:8001/v1").reason
