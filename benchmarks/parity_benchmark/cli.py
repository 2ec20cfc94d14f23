"""`sound`, `faults`, `report`: what is run, and what is said of it."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from parity_benchmark.engines import Setup, running
from parity_benchmark.pairs import OLD, SOUND, Planted, Sound, planted
from parity_benchmark.power import table
from parity_benchmark.report import markdown
from parity_benchmark.trials import compared, full_plan, scoring_plan, short_plan

app = typer.Typer(no_args_is_help=True, help="What answer parity finds, on real engines.")


@app.callback()
def options() -> None:
    """End engines on SIGTERM as on Ctrl-C: `timeout` sends it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


StableOption = Annotated[Path, typer.Option(help="What build-support/vllm-cpu made of 0.13.")]
EdgeOption = Annotated[
    Path | None, typer.Option(help="What it made of the edge release; without it, no such pair.")
]
OutOption = Annotated[
    Path,
    typer.Option(help="Results are appended here, one line a run; what is there is not rerun."),
]
OnlyOption = Annotated[str, typer.Option(help="Pairs whose name contains this.")]


@app.command()
def sound(
    stable: StableOption,
    out: OutOption,
    edge: EdgeOption = None,
    runs: Annotated[int, typer.Option(help="Runs of each pair.", min=1)] = 20,
    first_seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 1,
    only: OnlyOption = "",
) -> None:
    """Compare sound pairs, each run with other prompts and another seed."""
    made = _made(stable, edge)
    pairs = [
        pair
        for pair in SOUND
        if only in pair.name and {pair.old.release, pair.new.release} <= made.keys()
    ]
    asyncio.run(_sound(pairs, made, range(first_seed, first_seed + runs), out))


@app.command()
def faults(
    stable: StableOption,
    out: OutOption,
    variants: Annotated[Path, typer.Option(help="What benchmarks/parity-weights has made.")],
    runs: Annotated[int, typer.Option(help="Runs of each fault.", min=1)] = 2,
    first_seed: Annotated[int, typer.Option(help="Seed of the first run.")] = 1,
    only: OnlyOption = "",
) -> None:
    """Plant each fault, and see whether it is found, how soon, and by which name."""
    chosen = [each for each in planted(stable / "smollm2", variants) if only in each.name]
    asyncio.run(_faults(chosen, _made(stable, None), range(first_seed, first_seed + runs), out))


@app.command()
def report(results: Annotated[list[Path], typer.Argument(help="What the runs wrote.")]) -> None:
    """Write the tables of docs/parity-measured.md."""
    rows = [json.loads(line) for file in results for line in file.read_text().splitlines()]
    typer.echo(markdown(rows))


@app.command()
def power(
    runs: Annotated[int, typer.Option(help="Simulated rollouts for each line.", min=1)] = 200,
) -> None:
    """Simulate how many pairs of users' requests a verdict takes."""
    for line in table(runs):
        typer.echo(line)


async def _sound(pairs: list[Sound], made: dict[str, Path], seeds: range, out: Path) -> None:
    for old, group in _grouped(pairs):
        async with AsyncExitStack() as engines:
            folder = Path(engines.enter_context(tempfile.TemporaryDirectory()))
            left = await engines.enter_async_context(running(old, made[old.release], folder))
            for pair in group:
                if not _left(out, pair.name, seeds):
                    continue
                async with running(pair.new, made[pair.new.release], folder) as right:
                    for seed in _left(out, pair.name, seeds):
                        row = await compared((left, right), short_plan(seed))
                        _write(out, {"kind": "sound", "pair": pair.name, "seed": seed, **row})


async def _faults(chosen: list[Planted], made: dict[str, Path], seeds: range, out: Path) -> None:
    async with AsyncExitStack() as engines:
        folder = Path(engines.enter_context(tempfile.TemporaryDirectory()))
        old = OLD
        left = await engines.enter_async_context(running(old, made[old.release], folder))
        left_over = [each for each in chosen if _left(out, each.name, seeds)]
        for setup in dict.fromkeys(each.new for each in left_over):
            async with running(setup, made[setup.release], folder) as right:
                for each in (fault for fault in chosen if fault.new == setup):
                    for seed in _left(out, each.name, seeds):
                        faulty = (each.old_fault, each.fault)
                        plan = scoring_plan(seed) if each.numbers else full_plan(seed)
                        row = await compared((left, right), plan, faulty)
                        told = {"kind": "fault", "pair": each.name, "expected": each.cause}
                        _write(out, {**told, "exact": each.exact, "seed": seed, **row})


def _grouped(pairs: list[Sound]) -> Iterator[tuple[Setup, list[Sound]]]:
    for old in dict.fromkeys(pair.old for pair in pairs):
        yield old, [pair for pair in pairs if pair.old == old]


def _made(stable: Path, edge: Path | None) -> dict[str, Path]:
    return {"stable": stable, **({} if edge is None else {"edge": edge})}


def _left(out: Path, name: str, seeds: range) -> list[int]:
    """Return the seeds of which the results have nothing yet."""
    rows = map(json.loads, out.read_text().splitlines()) if out.exists() else ()
    done = {row["seed"] for row in rows if row["pair"] == name}
    return [seed for seed in seeds if seed not in done]


def _write(out: Path, row: dict[str, Any]) -> None:
    """Append a row at once: what was measured counts, whatever comes after it."""
    with out.open("a", encoding="utf-8") as results:
        results.write(json.dumps(row) + "\n")
    typer.echo(f"{row['pair']}, seed {row['seed']}: {row['sentence'][:160]} ({row['seconds']} s)")
