"""`parity contract`: which request fields callers may send to both engines."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Mapping
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from answer_parity.contract import BREAKING, Change, compare_contracts, crossed_with_census
from upgrade_gates.engine import secret
from upgrade_gates.errors import EngineUnusable
from upgrade_gates.parity.engine import Engine
from upgrade_gates.parity.options import (
    EXIT_DIFFERENT,
    JsonOption,
    KeyOption,
    NewOption,
    OldOption,
    TimeoutOption,
)


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


def _as_json(change: Change) -> dict[str, Any]:
    return {**dataclasses.asdict(change), "hurts": change.hurts}
