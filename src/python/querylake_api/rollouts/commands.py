"""`querylake_api.pex rollout …`: for the terminal what `/admin/rollouts` is for programs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from querylake_api.configuration.problems import key_path, plain_reason
from querylake_api.rollouts.client import RolloutClient
from querylake_api.rollouts.records.plan import RolloutPlan
from querylake_api.rollouts.table import list_view, status_view
from rollout_statistics.simulation.report import TABLES, Table, report
from rollout_statistics.simulation.scenarios import REQUESTS

WATCH_SECONDS = 1.0
ENDED = frozenset({"promoted", "rolled_back", "aborted"})
UNBOUNDED = 200
"""Columns to assume where there is no terminal."""

app = typer.Typer(
    no_args_is_help=True,
    help="Move traffic from a model's stable target to a candidate, step by step.",
)

UrlOption = Annotated[str, typer.Option(envvar="QUERYLAKE_URL", help="Base URL of the API.")]
KeyOption = Annotated[
    str, typer.Option(envvar="QUERYLAKE_ADMIN_KEY", help="API key with the scope `admin`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
IdArgument = Annotated[
    str, typer.Argument(metavar="ID", help="Rollout id, as `rollout list` shows it.")
]
ReasonOption = Annotated[str, typer.Option(help="Reason; stored with the event.")]

URL = "http://127.0.0.1:8000"


@app.command()
def create(
    plan: Annotated[Path, typer.Argument(help="Plan in JSON; `-` reads standard input.")],
    key: KeyOption,
    url: UrlOption = URL,
    as_json: JsonOption = False,
) -> None:
    """Create a draft from a plan. No traffic moves until `rollout start`."""
    text = sys.stdin.read() if str(plan) == "-" else plan.read_text(encoding="utf-8")
    try:
        RolloutPlan.model_validate_json(text)
    except ValidationError as error:
        problems = "; ".join(
            f"{key_path(each['loc']) or 'plan'}: {plain_reason(each['msg'])}"
            for each in error.errors()
        )
        raise typer.BadParameter(problems, param_hint="PLAN") from None
    with RolloutClient(url, key) as client:
        rollout = client.post("", json.loads(text))
    _tell(rollout, as_json, f"Created {rollout['id']}. Begin with: rollout start {rollout['id']}")


@app.command("list")
def list_(key: KeyOption, url: UrlOption = URL, as_json: JsonOption = False) -> None:
    """List rollouts, newest first."""
    with RolloutClient(url, key) as client:
        rollouts = client.get()["data"]
    if as_json:
        typer.echo(json.dumps(rollouts, indent=2))
    else:
        _console().print(list_view(rollouts))


@app.command()
def status(
    rollout_id: IdArgument,
    key: KeyOption,
    url: UrlOption = URL,
    watch: Annotated[
        bool, typer.Option("--watch", help="Refresh until the rollout has ended.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show both arms, their confidence intervals, and the verdict."""
    with RolloutClient(url, key) as client:
        rollout, events = _look(client, rollout_id)
        if as_json:
            typer.echo(json.dumps(rollout, indent=2))
            return
        console = _console()
        if not watch:
            console.print(status_view(rollout, events))
            return
        with Live(status_view(rollout, events), console=console, auto_refresh=False) as live:
            while rollout["status"] not in ENDED:
                time.sleep(WATCH_SECONDS)
                rollout, events = _look(client, rollout_id)
                live.update(status_view(rollout, events[-12:]), refresh=True)


@app.command()
def history(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, as_json: JsonOption = False
) -> None:
    """Show the events and their reasons; --json adds the measurements."""
    with RolloutClient(url, key) as client:
        events = client.get(f"/{rollout_id}/events")["data"]
    for event in events:
        moment = str(event["at"])[:19].replace("T", " ")
        line = f"{moment}  {event['sentence']}  ({event['actor']})"
        typer.echo(json.dumps(event) if as_json else line)


@app.command()
def start(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, reason: ReasonOption = ""
) -> None:
    """Begin the first step."""
    _move(url, key, rollout_id, "start", {"reason": reason})


@app.command()
def pause(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, reason: ReasonOption = ""
) -> None:
    """Keep the traffic shares. A harmful candidate is still rolled back."""
    _move(url, key, rollout_id, "pause", {"reason": reason})


@app.command()
def resume(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, reason: ReasonOption = ""
) -> None:
    """Continue after a pause."""
    _move(url, key, rollout_id, "resume", {"reason": reason})


@app.command()
def abort(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, reason: ReasonOption = ""
) -> None:
    """End it without a verdict."""
    _move(url, key, rollout_id, "abort", {"reason": reason})


@app.command()
def rollback(
    rollout_id: IdArgument, key: KeyOption, url: UrlOption = URL, reason: ReasonOption = ""
) -> None:
    """Send all traffic to the stable targets at once. Works without the database."""
    _move(url, key, rollout_id, "rollback", {"reason": reason})


@app.command()
def promote(
    rollout_id: IdArgument,
    key: KeyOption,
    url: UrlOption = URL,
    reason: ReasonOption = "",
    override_by: Annotated[
        str | None,
        typer.Option(help="Person who takes responsibility if the conditions are not met."),
    ] = None,
    override_reason: Annotated[str | None, typer.Option(help="Reason for the override.")] = None,
) -> None:
    """Send all traffic to the candidate, if its steps are complete and the gates hold."""
    document = {
        "reason": reason,
        "override_by": override_by,
        "override_reason": override_reason,
    }
    _move(url, key, rollout_id, "promote", document)


@app.command()
def simulate(
    runs: Annotated[int, typer.Option(help="Simulated runs per table line.", min=1)] = 100,
    requests: Annotated[
        int, typer.Option(help="Requests per run of a healthy candidate.", min=1000)
    ] = REQUESTS,
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1)] = 2,
    only: Annotated[
        Table | None, typer.Option(help="One of the four tables; all of them take hours.")
    ] = None,
    lines: Annotated[str, typer.Option(help="Only lines whose name contains this.")] = "",
    first_seed: Annotated[
        int, typer.Option(help="Seed of the first run of a line; the next run has the next one.")
    ] = 0,
) -> None:
    """Recompute the tables of docs/rollout-statistics.md. Needs no server; takes hours."""
    tables = TABLES if only is None else (only,)
    for line in report(
        runs=runs,
        requests=requests,
        workers=workers,
        tables=tables,
        lines=lines,
        first_seed=first_seed,
    ):
        typer.echo(line)


def _look(client: RolloutClient, rollout_id: str) -> tuple[Any, list[Any]]:
    return client.get(f"/{rollout_id}"), client.get(f"/{rollout_id}/events")["data"]


def _move(url: str, key: str, rollout_id: str, action: str, document: object) -> None:
    with RolloutClient(url, key) as client:
        answer = client.post(f"/{rollout_id}/{action}", document)
    told = f"{rollout_id} is {str(answer['status']).replace('_', ' ')}."
    if answer.get("recorded") is False:
        told += " The database is away: this machine follows, and it is written later."
    typer.echo(told)


def _tell(document: object, as_json: bool, sentence: str) -> None:
    typer.echo(json.dumps(document, indent=2) if as_json else sentence)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else UNBOUNDED)
