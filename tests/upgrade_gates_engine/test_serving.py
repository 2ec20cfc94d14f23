"""Gate 3 on real vLLM: it conforms, has a baseline, and is named when it gets slower."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upgrade_gates.evidence.statement import Predicate, Verdict
from upgrade_gates.session import open_session
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import make_workspace
from vllm_cpu_testing.engine import RunningVllm
from vllm_cpu_testing.environment import MODEL
from vllm_runtime.process_family import all_processes

MARGIN = 3.0
"""How many times slower a run may be because the machine is busy with something else."""

BASELINES = ("3.baseline.ttft", "3.baseline.throughput")


def test_conformance_baseline_and_regression(vllm: RunningVllm, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    code, first = verify(tmp_path, vllm)
    assert (code, failed(first)) == (0, [])
    assert first["3.endpoints.chat"].reason.startswith("it answers: 'The capital of France is Par")
    for line in BASELINES:
        assert first[line].reason.endswith("the first baseline")
    assert number(first["3.baseline.ttft"], "ttft_p50_c1_ms") > 0
    assert number(first["3.baseline.ttft"], "inter_token_p95_c1_ms") > 0
    assert number(first["3.baseline.throughput"], "tokens_per_second_c4") > 0

    code, second = verify(tmp_path, vllm)
    assert (code, failed(second)) == (0, [])
    for line in BASELINES:
        assert second[line].reason.endswith(f"no worse than record {first[line].sequence}")

    with slowed_down(core_pid(vllm)):
        code, slow = verify(tmp_path, vllm)
    assert code == 1
    assert "3.baseline.throughput" in failed(slow)
    assert not [line for line in failed(slow) if line not in BASELINES]
    said = slow["3.baseline.throughput"].reason
    assert said.startswith("a regression: tokens_per_second_c1 ")
    assert f"than in record {second['3.baseline.throughput'].sequence}; margin 3" in said

    # What nobody took on is not what the next run is held against.
    code, recovered = verify(tmp_path, vllm)
    assert (code, failed(recovered)) == (0, [])


def verify(folder: Path, vllm: RunningVllm) -> tuple[int, dict[str, Predicate]]:
    """Run the command, and return its exit code and what it has kept, by line."""
    before = len(open_session(folder).store.read().records)
    done = run(
        *(folder, "serving", "verify", "--url", f"{vllm.url}/v1", "--model", MODEL),
        *("--seconds", "60", "--margin", str(MARGIN), "--no-gpu"),
    )
    assert done.stderr == ""
    records = open_session(folder).store.read().records[before:]
    return done.returncode, {each.check: each.statement.predicate for each in records}


def failed(found: dict[str, Predicate]) -> list[str]:
    return [line for line, each in found.items() if each.verdict is not Verdict.PASS]


def number(predicate: Predicate, name: str) -> float:
    figure = predicate.figures[name]
    assert isinstance(figure, int | float)
    return figure


def core_pid(vllm: RunningVllm) -> int:
    (core,) = (
        process.pid
        for process in all_processes()
        if process.session == vllm.session and process.name.startswith("VLLM::EngineCor")
    )
    return core


@contextmanager
def slowed_down(pid: int) -> Iterator[None]:
    """Let a process run for a tenth of the time only."""
    over = threading.Event()

    def alternate() -> None:
        while not over.wait(0.05):
            os.kill(pid, signal.SIGSTOP)
            over.wait(0.45)
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=alternate)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
