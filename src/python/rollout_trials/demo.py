"""The demonstration: faulty rollouts are rolled back, a healthy one is promoted, in plain words."""

from __future__ import annotations

import asyncio
import getpass
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from rollout_trials.api import Api
from rollout_trials.engines import CpuRuntime
from rollout_trials.faults import Sabotage
from rollout_trials.site import running_site
from rollout_trials.trial import Result, Site, Trial

USERS = 200
TOKENS = 3

JUDGING = {"error_margin": 0.05, "latency_ratio": 3.0, "min_requests": 50, "warmup_seconds": 5}
"""A demonstration has minutes, not hours: it asks for less evidence before it advances. Errors roll
back as always."""

HEALTHY_STEPS = [{"percent": 50, "bake_seconds": 10}]
FAULTY_STEPS = [{"percent": 50, "bake_seconds": 3600}]

TRIALS = (
    Trial(
        "20% of its answers are errors",
        {"steps": FAULTY_STEPS, "judging": JUDGING},
        Sabotage("errors", 0.2),
    ),
    Trial("its engine is killed", {"steps": FAULTY_STEPS, "judging": JUDGING}, "killed"),
    Trial(
        "its engine stands still, and its port stays open",
        {"steps": FAULTY_STEPS, "judging": JUDGING},
        "stalled",
    ),
    # Last, since it stays promoted.
    Trial("a healthy new stack", {"steps": HEALTHY_STEPS, "judging": JUDGING}, None),
)


async def demo(
    console: Console,
    folder: Path,
    *,
    api_pex: Path,
    runtime_pex: Path,
    port: int,
    stay: bool,
    trials: Sequence[Trial] = TRIALS,
) -> int:
    """Run it and return the exit code: 0 if every rollout ended as it should.

    Args:
        folder: for everything that is written.
        stay: leave everything running at the end, until cancelled.
    """
    began = time.monotonic()
    api = Api(api_pex, folder, port=port)
    old = CpuRuntime("old", runtime_pex, folder)
    new = CpuRuntime("new", runtime_pex, folder)
    console.print(_introduction())
    with console.status("Starting ...") as status:
        site_context = running_site(
            *(api, old, new),
            users=USERS,
            tokens=TOKENS,
            say=lambda what: status.update(f"Starting {what} ..."),
        )
        site = await site_context.__aenter__()
    try:
        console.print(
            f"Everything runs after {time.monotonic() - began:.0f} s. {USERS} users ask for "
            f"{site.users.per_second:.1f} answers a second, a third of what one engine can do here."
        )
        console.print(_address(api))
        results = [
            await _run(console, site, trial, place, last=trial is trials[-1])
            for place, trial in _numbered(trials)
        ]
        console.print(summary(results))
        console.print(f"It took {time.monotonic() - began:.0f} s in all.")
        if stay:
            console.print(
                f"Still running, to be looked at: {api.url}/ui/rollouts  (Ctrl-C ends it)"
            )
            await asyncio.Event().wait()
    finally:
        with console.status("Stopping everything ..."):
            await site_context.__aexit__(None, None, None)
    return 0 if all(result.right for result in results) else 1


def _numbered(trials: Sequence[Trial]) -> list[tuple[str, Trial]]:
    return [(f"{number} of {len(trials)}", trial) for number, trial in enumerate(trials, 1)]


async def _run(console: Console, site: Site, trial: Trial, place: str, *, last: bool) -> Result:
    console.print()
    console.rule(f"[bold]{place}: {trial.title}[/]", align="left")
    began = time.monotonic()
    spinner = Spinner("dots")
    with Live(spinner, console=console, refresh_per_second=8, transient=True):

        def show(rollout: Mapping[str, Any]) -> None:
            spinner.update(text=_progress(rollout, time.monotonic() - began))

        promoter = f"{getpass.getuser()}, by demo-rollout"
        result = await site.run(trial, show, promoter, last=last)
    for line in told(result):
        console.print(line)
    return result


def _progress(rollout: Mapping[str, Any], seconds: float) -> Text:
    judgement = rollout["judgement"]
    reason = "" if judgement is None else judgement["reason"]
    share = f"{rollout['percent']:g}% of the keys on the new stack"
    return Text.assemble((f"{seconds:3.0f} s  {share}.  ", "bold"), reason)


def told(result: Result) -> list[Text]:
    """Return what happened, in plain words."""
    good = result.end == "promoted"
    word, colour = ("Promoted", "bold green") if good else ("Rolled back", "bold red")
    since = "the start" if result.trial.fault is None else "the fault"
    if isinstance(result.trial.fault, Sabotage):
        since = "the start, with the fault in it"
    lines = [
        Text.assemble((word, colour), f" {result.seconds:.1f} s after {since}."),
        Text(result.sentence, "italic"),
        Text(
            f"The new stack had answered {result.requests} requests by then. New requests went "
            f"the other way on every worker {result.flip_seconds:.2f} s after the decision."
        ),
    ]
    kinds = ", ".join(f"{count} x {kind}" for kind, count in sorted(result.faults.items()))
    seen = f"Users saw {kinds}" if kinds else "Users saw no error"
    lines.append(Text(f"{seen}; {result.answers} good answers meanwhile."))
    if result.unexplained:
        lines.append(
            Text(f"{result.unexplained} of those errors did not come of the fault.", "bold red")
        )
    elif kinds:
        lines.append(Text("All of them came from the faulty stack; the switch itself cost none."))
    return lines


def _introduction() -> Panel:
    return Panel(
        "Two real engines answer the same model, one as the old stack and one as the new one. "
        f"{USERS} users ask through the API. A rollout gives the new stack a share of them, "
        "compares both stacks all the way, and decides by itself.\n"
        "Faults are put in on purpose: errors by a small proxy in front of the new engine, the "
        "others by killing or stopping its processes.",
        title="Rollouts, faulty and healthy",
        title_align="left",
    )


def _address(api: Api) -> Text:
    return Text.assemble(
        ("Watch it: ", "bold"),
        f"{api.url}/ui/rollouts",
        ("\nIt asks for this key: ", "bold"),
        api.admin_key,
    )


def summary(results: Sequence[Result]) -> Table:
    """Return a line for each trial."""
    table = Table("the new stack", "end", "after", "requests", "errors seen")
    for result in results:
        end = result.end.replace("_", " ")
        because = f": {', '.join(result.rules)}" if result.rules else ""
        table.add_row(
            result.trial.title,
            Text(end + because, "green" if result.right else "bold red"),
            f"{result.seconds:.1f} s",
            str(result.requests),
            str(sum(result.faults.values())),
        )
    return table
