"""The command: `benchmarks/prefix`; with `--engine`, in front of engines that run already."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway_benchmark.gateways import Running, free_port
from gateway_benchmark.processes import start, stop
from prefix_benchmark.conversations import Outcome, Workload, hold
from prefix_benchmark.routers import querylake, vllm_router

ONE = "one replica"
ROUTERS = ("querylake", "least outstanding", "vllm-router", ONE)
KEYS = 6


@dataclass(frozen=True, slots=True)
class Counters:
    """What an engine counted: prompt tokens looked up in its cache, and found there."""

    queries: float
    hits: float


@dataclass(frozen=True, slots=True)
class Result:
    """One run: what users saw, and what each engine counted."""

    outcome: Outcome
    engines: tuple[Counters, ...]

    @property
    def hit_rate(self) -> float:
        """The share of all prompt tokens that no engine had to compute."""
        queries = sum(each.queries for each in self.engines)
        return sum(each.hits for each in self.engines) / queries if queries else 0.0

    @property
    def imbalance(self) -> float:
        """Prompt tokens of the busiest engine, as a multiple of the mean."""
        tokens = [each.queries for each in self.engines]
        return max(tokens) / statistics.fmean(tokens) if sum(tokens) else 0.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = _parser().parse_args(arguments)
    workload = Workload(conversations=options.conversations, users=options.users)
    program = [options.python, str(options.pex.resolve())] if options.python else [str(options.pex)]
    for loss in (False, True) if not options.engine else (False,):
        print("\nA replica is lost half-way:\n" if loss else "\nAll replicas are well:\n")
        print(
            "| router | prefix-cache hits | mean TTFT, ms | tokens/s | busiest replica | failed |\n"
            "| --- | --- | --- | --- | --- | --- |"
        )
        for name in options.routers.split(","):
            if loss and name == ONE:
                continue
            results = [
                _run(name, workload, program, options, seed, loss=loss)
                for seed in range(options.seed, options.seed + options.rounds)
            ]
            print(_row(name, results), flush=True)


def _run(
    name: str,
    workload: Workload,
    program: Sequence[str],
    options: argparse.Namespace,
    seed: int,
    *,
    loss: bool,
) -> Result:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ql-prefix-")))
        engines: list[str] = list(options.engine)
        processes: list[subprocess.Popen[bytes]] = []
        if not engines:
            count = 1 if name == ONE else options.replicas
            blocks = options.blocks * options.replicas // count
            engines, processes = stack.enter_context(
                _simulated(folder, count, blocks, options.prefill)
            )
        elif name == ONE:
            engines = engines[:1]
        running, keys = stack.enter_context(_router(name, program, engines, folder, options))
        before = [_counters(url) for url in engines]
        half = workload.conversations * workload.turns // 2
        lost: list[Counters] = []

        def lose() -> None:
            lost.append(_counters(engines[-1]))
            processes[-1].send_signal(signal.SIGKILL)

        after = (half, lose) if loss else None
        outcome = asyncio.run(hold(workload, running.url, keys, seed=seed, after=after))
        ended = [_counters(url) for url in (engines[:-1] if loss else engines)] + lost
    counted = [
        Counters(now.queries - then.queries, now.hits - then.hits)
        for now, then in zip(ended, before, strict=True)
    ]
    return Result(outcome, tuple(counted))


@contextmanager
def _simulated(
    folder: Path, count: int, blocks: int, prefill: float
) -> Iterator[tuple[list[str], list[subprocess.Popen[bytes]]]]:
    ports = [free_port() for _ in range(count)]
    with ExitStack() as stack:
        processes = []
        for port in ports:
            command = [sys.executable, "-m", "prefix_benchmark.cached_engine", "--port", str(port)]
            process = start(
                [*command, "--blocks", str(blocks), "--prefill", str(prefill)],
                core=len(os.sched_getaffinity(0)) - 1,
                log=folder / f"engine-{port}.log",
                # The chains of blocks are hashes of text.
                env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "0"},
            )
            stack.callback(stop, process)
            processes.append(process)
        for port in ports:
            _wait(f"http://127.0.0.1:{port}/health")
        yield [f"http://127.0.0.1:{port}/v1" for port in ports], processes


@contextmanager
def _router(
    name: str,
    program: Sequence[str],
    engines: Sequence[str],
    folder: Path,
    options: argparse.Namespace,
) -> Iterator[tuple[Running, list[str]]]:
    if name == "vllm-router":
        with vllm_router(options.peers / "vllm-router/bin/vllm-router", engines, folder) as running:
            yield running, ["none"]
        return
    balancing = "least_outstanding" if name == "least outstanding" else "prefix"
    with querylake(program, engines, folder, balancing, KEYS) as (running, keys):
        yield running, keys


def _wait(url: str) -> None:
    transport = httpx.HTTPTransport(retries=20)
    with httpx.Client(trust_env=False, transport=transport, timeout=10) as client:
        client.get(url).raise_for_status()


def _counters(url: str) -> Counters:
    text = httpx.get(f"{url.removesuffix('/v1')}/metrics", trust_env=False, timeout=30).text

    def total(name: str) -> float:
        lines = (line for line in text.splitlines() if line.startswith(name))
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    return Counters(total("vllm:prefix_cache_queries_total"), total("vllm:prefix_cache_hits_total"))


def _row(name: str, results: Sequence[Result]) -> str:
    def figure(read: Callable[[Result], float], shown: str) -> str:
        values = sorted(read(each) for each in results)
        middle = format(statistics.median(values), shown)
        if len(values) == 1:
            return middle
        return f"{middle} ({format(values[0], shown)} to {format(values[-1], shown)})"

    columns = (
        figure(lambda each: 100 * each.hit_rate, ".1f") + "%",
        figure(lambda each: 1000 * each.outcome.mean_first, ".0f"),
        figure(lambda each: each.outcome.tokens_per_second, ".0f"),
        figure(lambda each: each.imbalance, ".2f") + " x mean",
        str(sum(each.outcome.failed for each in results)),
    )
    return f"| {name} | {' | '.join(columns)} |"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/prefix",
        description="Holds conversations through routers, in front of replicas with prefix caches: "
        "simulated ones, or real engines that serve the model `mock`.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument(
        "--engine", action="append", default=[], help="URL up to and including /v1; repeatable"
    )
    parser.add_argument("--routers", default=",".join(ROUTERS), help="which ones, with commas")
    parser.add_argument("--replicas", type=int, default=3, help="simulated engines")
    parser.add_argument("--blocks", type=int, default=4096, help="cache of each, in blocks of 16")
    parser.add_argument("--prefill", type=float, default=2000.0, help="prompt tokens a second")
    parser.add_argument("--conversations", type=int, default=30, help="of six turns each")
    parser.add_argument("--users", type=int, default=10, help="conversations under way at once")
    parser.add_argument("--rounds", type=int, default=3, help="runs with other texts")
    parser.add_argument("--seed", type=int, default=1, help="of the first run's texts")
    parser.add_argument("--pex", type=Path, default=Path("dist/querylake_api.pex"))
    parser.add_argument("--python", help="interpreter of the PEX")
    parser.add_argument(
        "--peers", type=Path, default=Path(".bench"), help="benchmarks/install-peers"
    )
    return parser
