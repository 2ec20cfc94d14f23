"""`parity contract|verify`: does the new engine give the same answers?"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from answer_parity.contract import BREAKING, Change, compare_contracts, crossed_with_census
from answer_parity.scores import MARGIN_NATS, SCALE
from answer_parity.verdict import Measurements, Standing, Verdict, judge
from upgrade_gates.engine import secret
from upgrade_gates.errors import EngineUnusable
from upgrade_gates.parity import prompts
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine

EXIT_DIFFERENT = 1
EXIT_NOT_DECIDED = 3

app = typer.Typer(
    no_args_is_help=True, help="Does the new engine give the same answers as the old one?"
)

OldOption = Annotated[
    str, typer.Option("--old", metavar="URL", help="The old engine, up to and with /v1.")
]
NewOption = Annotated[
    str, typer.Option("--new", metavar="URL", help="The new engine, up to and with /v1.")
]
OldModelOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="Its model; default: the first that it lists.")
]
NewModelOption = OldModelOption
KeyOption = Annotated[
    str | None, typer.Option(metavar="VARIABLE", help="The environment variable with its key.")
]
TimeoutOption = Annotated[
    float, typer.Option(metavar="SECONDS", help="Time limit of one request, in seconds.", min=1)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Write the result as JSON.")]


@app.command()
def contract(
    old: OldOption,
    new: NewOption,
    old_key_env: KeyOption = None,
    new_key_env: KeyOption = None,
    api: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="A QueryLake API, without /v1: only fields that its callers send count.",
        ),
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VARIABLE", help="The variable with an admin key of it.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Show new fields, too, and what nobody sends.")
    ] = False,
    timeout: TimeoutOption = 30.0,
    json_: JsonOption = False,
) -> None:
    """Compare the request fields of both engines. Ends with 1 if callers would notice a change."""
    engines = (
        Engine("old", old, None, secret(old_key_env), timeout),
        Engine("new", new, None, secret(new_key_env), timeout),
    )
    census = None if api is None else _census(api, secret(api_key_env), timeout)
    changes = asyncio.run(_changes(*engines, census))
    if json_:
        typer.echo(json.dumps([_as_json(change) for change in changes], indent=2))
    else:
        shown = changes if all_ else [each for each in changes if each.hurts]
        _show_changes(shown, len(changes) - len(shown), counted=census is not None)
    raise typer.Exit(EXIT_DIFFERENT if any(change.hurts for change in changes) else 0)


@app.command()
def verify(
    old: OldOption,
    new: NewOption,
    old_model: OldModelOption = None,
    new_model: NewModelOption = None,
    old_key_env: KeyOption = None,
    new_key_env: KeyOption = None,
    prompt_file: Annotated[
        Path | None,
        typer.Option(
            "--prompts",
            metavar="FILE",
            help="Prompts of your own, one a line: text, or requests as JSON.",
        ),
    ] = None,
    margin: Annotated[
        float,
        typer.Option(
            metavar="NATS",
            help="Divergence that counts as equivalent, in nats a token; see `parity scale`.",
            min=0.0,
        ),
    ] = MARGIN_NATS,
    seconds: Annotated[
        float, typer.Option(help="Time budget, in seconds; what was measured counts.", min=1)
    ] = 600.0,
    timeout: TimeoutOption = 120.0,
    json_: JsonOption = False,
) -> None:
    """Ask both engines the same, and judge. Ends with 0 only if they are equivalent.

    Exit codes: 0 equivalent, 1 different, 3 not decided.
    """
    bodies = prompts.built_in() if prompt_file is None else prompts.from_file(prompt_file)
    engines = (
        Engine("old", old, old_model, secret(old_key_env), timeout),
        Engine("new", new, new_model, secret(new_key_env), timeout),
    )
    console = Console(stderr=True)
    measured, versions = asyncio.run(_measured(*engines, Plan(bodies, seconds=seconds), console))
    verdict = judge(measured, margin)
    if json_:
        typer.echo(json.dumps(_verdict_as_json(verdict, measured, versions), indent=2))
    else:
        _show_verdict(verdict, versions)
    codes = {Standing.EQUIVALENT: 0, Standing.DIFFERENT: EXIT_DIFFERENT}
    raise typer.Exit(codes.get(verdict.standing, EXIT_NOT_DECIDED))


@app.command()
def scale() -> None:
    """Show what a divergence means: what was measured after known changes of an engine."""
    table = Table("what was done", "nats a token", "same top token", "sound", show_edge=False)
    for step in SCALE:
        sound = "yes" if step.sound else "no"
        table.add_row(step.change, f"{step.nats:g}", f"{step.same_top:.1%}", sound)
    console = Console()
    console.print(table)
    console.print(f"Default margin: {MARGIN_NATS:g} nats a token.")


async def _measured(
    old: Engine, new: Engine, plan: Plan, console: Console
) -> tuple[Measurements, dict[str, str | None]]:
    try:
        versions = {"old": await old.version(), "new": await new.version()}
        with console.status("comparing") as status:
            comparison = Comparison(old, new, plan, lambda line: status.update(line))
            measured = await comparison.run()
        left, right = await old.contract(), await new.contract()
        if left is not None and right is not None:
            measured = dataclasses.replace(measured, changes=compare_contracts(left, right))
        return measured, versions
    finally:
        await old.close()
        await new.close()


async def _changes(
    old: Engine, new: Engine, census: Mapping[str, Mapping[str, int]] | None
) -> list[Change]:
    try:
        contracts = [(engine, await engine.contract()) for engine in (old, new)]
    finally:
        await old.close()
        await new.close()
    for engine, found in contracts:
        if found is None:
            raise EngineUnusable(
                f"the {engine.name} engine at {engine.base_url} has no OpenAPI document at "
                "/openapi.json; compare what it answers with `parity verify`"
            )
    left, right = contracts[0][1], contracts[1][1]
    assert left is not None
    assert right is not None
    changes = compare_contracts(left, right)
    return changes if census is None else crossed_with_census(changes, census, right)


def _census(api: str, key: str | None, seconds: float) -> dict[str, dict[str, int]]:
    """Return how many requests sent each field, by route, over all models of an API.

    Raises:
        EngineUnusable: the API does not tell.
    """
    url = f"{api.rstrip('/')}/admin/contract"
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(url, headers=headers, timeout=seconds)
        response.raise_for_status()
        counted: dict[str, dict[str, int]] = {}
        for each in response.json()["fields"]:
            route = counted.setdefault(str(each["route"]), {})
            route[str(each["field"])] = route.get(str(each["field"]), 0) + int(each["requests"])
        return counted
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise EngineUnusable(
            f"{url} does not say which fields callers send: {error}; leave out --api to see all "
            "changes"
        ) from None


def _show_changes(shown: list[Change], hidden: int, *, counted: bool) -> None:
    console = Console()
    if not shown:
        console.print("No change of what callers may send that they would notice.")
    table = Table("change", "route", "field", "old -> new, or successor", show_edge=False)
    if counted:
        table.add_column("requests", justify="right")
    for change in shown:
        moved = f"{change.old} -> {change.new}" if change.old or change.new else ""
        told = " ".join(filter(None, (moved, change.successor and f"now {change.successor}")))
        style = "bold red" if change.kind in BREAKING else ""
        cells = [Text(change.kind, style=style), Text(change.route), Text(change.field), Text(told)]
        if counted:
            cells.append(Text("" if change.sent is None else str(change.sent)))
        table.add_row(*cells)
    if shown:
        console.print(table)
    if hidden:
        console.print(f"{hidden} more changes, of fields that are new or that nobody sends: --all")


def _show_verdict(verdict: Verdict, versions: Mapping[str, str | None]) -> None:
    console = Console()
    styles = {Standing.EQUIVALENT: "bold green", Standing.DIFFERENT: "bold red"}
    console.print(Text(verdict.sentence, style=styles.get(verdict.standing, "bold yellow")))
    for finding in verdict.findings:
        console.print(Text(f"  {finding.cause}: {finding.probe}: {finding.says}"))
    for remedy in verdict.remedies:
        console.print(Text(f"  -> {remedy}"))
    for notice in verdict.notices:
        console.print(Text(f"Notice: {notice.probe}: {notice.says}; the protocol leaves it open"))
    for lacking in verdict.not_measured:
        console.print(Text(f"Not measured: {lacking}", style="dim"))
    told = ", ".join(f"{name} {version or 'unknown'}" for name, version in versions.items())
    console.print(Text(f"Versions: {told}", style="dim"))


def _as_json(change: Change) -> dict[str, Any]:
    return {**dataclasses.asdict(change), "hurts": change.hurts}


def _verdict_as_json(
    verdict: Verdict, measured: Measurements, versions: Mapping[str, str | None]
) -> dict[str, Any]:
    estimates = ("alone", "in_batch", "noise")
    return {
        "standing": verdict.standing,
        "sentence": verdict.sentence,
        "causes": verdict.causes,
        "findings": [dataclasses.asdict(finding) for finding in verdict.findings],
        "notices": [dataclasses.asdict(notice) for notice in verdict.notices],
        "remedies": verdict.remedies,
        "not_measured": verdict.not_measured,
        "divergence": {
            name: None if (found := getattr(measured, name)) is None else dataclasses.asdict(found)
            for name in estimates
        },
        "prompts": measured.shapes,
        "probes": measured.probes,
        "versions": dict(versions),
    }
