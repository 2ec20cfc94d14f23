"""The command: `python -m gateway_benchmark --gateways direct,querylake,nginx`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import uvloop

from gateway_benchmark.gateways import (
    Direct,
    Gateway,
    LiteLLM,
    Nginx,
    QueryLake,
    Running,
    VllmRouter,
    running,
)
from gateway_benchmark.processes import start, stop, wait_for
from gateway_benchmark.report import InvalidRun, faults, table
from gateway_benchmark.scenarios import SCENARIOS, Sample, Scenario, measure
from gateway_benchmark.soak import soak

RIG_CORE = 0
GATEWAY_CORE = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and end with 1 if it would not mean what it says."""
    options = _parser().parse_args(arguments)
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("error: two cores are needed: one for the gateway, one for engine and generator")
    available: dict[str, Gateway] = {
        gateway.name: gateway
        for gateway in (
            Direct(),
            QueryLake(options.pex.resolve(), options.python),
            Nginx(),
            VllmRouter(options.peers / "vllm-router/bin/vllm-router"),
            LiteLLM(options.peers / "litellm/bin/litellm"),
        )
    }
    wanted = options.gateways.split(",") if options.soak is None else ["querylake"]
    unknown = [name for name in wanted if name not in available]
    if unknown:
        sys.exit(f"error: unknown gateways: {unknown}; there are {', '.join(available)}")
    chosen: list[Gateway] = []
    for name in wanted:
        reason = available[name].missing()
        if reason is None:
            chosen.append(available[name])
        else:
            print(f"left out: {name}: {reason}", file=sys.stderr)
    os.sched_setaffinity(0, {RIG_CORE})
    if options.soak is not None:
        uvloop.run(_soak(available["querylake"], options.soak))
        return
    scenarios = [each for each in SCENARIOS if not options.only or each.name in options.only]
    samples = uvloop.run(_measure_all(chosen, scenarios, options.rounds, options.seconds))
    if options.json is not None:
        options.json.write_text(json.dumps(samples, default=dataclasses.asdict, indent=1))
    for fault in faults(samples):
        print(f"note: {fault}")
    try:
        print(table(samples))
    except InvalidRun as error:
        sys.exit(f"error: no table: {error}")


async def _measure_all(
    gateways: Sequence[Gateway], scenarios: Sequence[Scenario], rounds: int, seconds: float
) -> dict[str, dict[str, list[Sample]]]:
    """Run every scenario against every gateway, round by round, in an order that changes."""
    samples: dict[str, dict[str, list[Sample]]] = {
        gateway.name: {scenario.name: [] for scenario in scenarios} for gateway in gateways
    }
    order = random.Random(20)
    with ExitStack() as stack:
        folder, engine, url = _rig(stack)
        up: dict[str, Running] = {
            gateway.name: stack.enter_context(running(gateway, url, folder, GATEWAY_CORE))
            for gateway in gateways
        }
        for name, each in up.items():
            for scenario in scenarios:  # what is compiled, cached or connected on first use
                await measure(scenario, each, engine.pid, os.getpid(), min(1.0, seconds))
            print(f"ready: {name}", file=sys.stderr)
        for number in range(rounds):
            for scenario in scenarios:
                for name in order.sample(list(up), len(up)):
                    sample = await measure(scenario, up[name], engine.pid, os.getpid(), seconds)
                    samples[name][scenario.name].append(sample)
                    await asyncio.sleep(0.2)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return samples


async def _soak(gateway: Gateway, seconds: float) -> None:
    """Run mixed load against one gateway, and end with 1 if memory or connections are lost."""
    with ExitStack() as stack:
        folder, _, url = _rig(stack)
        up = stack.enter_context(running(gateway, url, folder, GATEWAY_CORE))
        result = await soak(up, seconds)
    print("| seconds | RSS, MB | sockets |\n| --- | --- | --- |")
    for moment in result.moments[:: max(1, len(result.moments) // 20)]:
        print(f"| {moment.seconds:.0f} | {moment.rss / 1e6:.1f} | {moment.sockets} |")
    print(f"\n{result.requests:,} answers; {result.sockets_before} sockets before the load")
    for verdict in result.verdicts():
        sys.exit(f"error: {verdict}")


def _rig(stack: ExitStack) -> tuple[Path, subprocess.Popen[bytes], str]:
    """Return a folder, the engine that answers at once, and its URL; all end with the stack."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ql-bench-")))
    log = folder / "engine.log"
    engine = start(
        [sys.executable, "-m", "gateway_benchmark.mock_engine"],
        core=RIG_CORE,
        log=log,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    stack.callback(stop, engine)
    return folder, engine, wait_for(log, "http://", engine, seconds=30)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gateway_benchmark",
        description="Measures gateways side by side in front of an engine that answers at once: "
        "each on the same core in turn, engine and load generator on another one.",
    )
    parser.add_argument(
        "--gateways",
        default="direct,querylake,nginx,vllm-router,litellm",
        help="comma-separated (default: %(default)s)",
    )
    parser.add_argument("--pex", type=Path, default=Path("dist/querylake_api.pex"))
    parser.add_argument(
        "--python", help="what runs the PEX (default: the first python3.11 on PATH)"
    )
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(".bench"),
        help="the folder with an environment for each peer, as benchmarks/install-peers makes it",
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument(
        "--soak", type=float, metavar="SECONDS", help="mixed load on QueryLake alone instead"
    )
    parser.add_argument("--only", action="append", help="a scenario; may be repeated")
    parser.add_argument("--json", type=Path, help="where every sample goes")
    return parser
