"""`querylake_api.pex usage …`: for the terminal what `/admin/usage` is for programs."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from querylake_api.configuration.command_options import ConfigOption
from querylake_api.configuration.loading import load_configuration
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import require_schema
from querylake_api.usage.question import DEFAULT_DAYS, Dimension, Place, Selection, period
from querylake_api.usage.record import UsageRecord
from querylake_api.usage.repository import UsageRepository
from querylake_api.usage.schemas import MAX_PAGE, UsageGroup

UNBOUNDED = 400
"""Columns to assume where there is no terminal."""

app = typer.Typer(no_args_is_help=True, help="Report requests and tokens by key, model and time.")


class Form(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
FromOption = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        help="Start of the period, inclusive, in UTC.",
        show_default=f"{DEFAULT_DAYS} days ago",
    ),
]
ToOption = Annotated[
    datetime | None,
    typer.Option("--to", help="End of the period, exclusive, in UTC.", show_default="now"),
]
KeyOption = Annotated[str | None, typer.Option(help="Only requests of this key id.")]
ModelOption = Annotated[str | None, typer.Option(help="Only requests to this model id.")]
UpstreamOption = Annotated[str | None, typer.Option(help="Only requests to this upstream.")]
StackOption = Annotated[
    str | None, typer.Option(help="Only requests to `stable` or `candidate` targets.")
]
OutcomeOption = Annotated[
    str | None, typer.Option(help="Only requests with this outcome, such as `success`.")
]


@app.command("totals")
def totals(
    config: ConfigOption,
    group_by: Annotated[
        list[Dimension] | None,
        typer.Option(help="Dimension to group by; repeatable.", show_default="model"),
    ] = None,
    start: FromOption = None,
    end: ToOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    upstream: UpstreamOption = None,
    stack: StackOption = None,
    outcome: OutcomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Sum requests and tokens for each group."""
    selection = _selection(start, end, key, model, upstream, stack, outcome)
    dimensions = list(dict.fromkeys(group_by or [Dimension.MODEL]))

    async def run() -> list[UsageGroup]:
        async with _repository(config) as repository:
            rows = await repository.totals(selection, dimensions)
            return [UsageGroup.of(row, dimensions) for row in rows]

    groups = asyncio.run(run())
    match _form(as_json, as_csv):
        case Form.JSON:
            _print_json(groups)
        case Form.CSV:
            _print_csv([_flat(group) for group in groups])
        case Form.TABLE:
            _print_totals(groups, dimensions)


@app.command("records")
def records(
    config: ConfigOption,
    limit: Annotated[int, typer.Option(help="Maximum number of records.", min=1, metavar="N")] = 50,
    start: FromOption = None,
    end: ToOption = None,
    key: KeyOption = None,
    model: ModelOption = None,
    upstream: UpstreamOption = None,
    stack: StackOption = None,
    outcome: OutcomeOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List requests, newest first."""
    selection = _selection(start, end, key, model, upstream, stack, outcome)

    async def run() -> list[UsageRecord]:
        async with _repository(config) as repository:
            return await _newest(repository, selection, limit)

    found = asyncio.run(run())
    match _form(as_json, as_csv):
        case Form.JSON:
            _print_json(found)
        case Form.CSV:
            _print_csv([record.model_dump(mode="json") for record in found])
        case Form.TABLE:
            _print_records(found)


@app.command("prune")
def prune(
    config: ConfigOption,
    before: Annotated[datetime, typer.Option(help="Delete records older than this, in UTC.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete old records permanently. Run it from cron to limit how long records are kept."""
    moment = before if before.tzinfo is not None else before.replace(tzinfo=UTC)
    if not yes:
        typer.confirm(
            f"Delete every usage record from before {moment:%Y-%m-%d %H:%M} UTC?", abort=True
        )

    async def run() -> int:
        async with _repository(config) as repository:
            return await repository.prune(moment)

    typer.echo(f"Deleted {asyncio.run(run())} records from before {moment:%Y-%m-%d %H:%M} UTC.")


@asynccontextmanager
async def _repository(config: Path) -> AsyncIterator[UsageRepository]:
    async with open_database(load_configuration(config, for_engines=False)) as database:
        await require_schema(database)
        yield UsageRepository(database)


async def _newest(
    repository: UsageRepository, selection: Selection, limit: int
) -> list[UsageRecord]:
    found: list[UsageRecord] = []
    while len(found) < limit:
        place = Place(found[-1].began_at, found[-1].id) if found else None
        wanted = min(MAX_PAGE, limit - len(found))
        rows = await repository.page(selection, limit=wanted, after=place)
        found += [UsageRecord.model_validate(row) for row in rows]
        if len(rows) < wanted:
            break
    return found


def _selection(
    start: datetime | None,
    end: datetime | None,
    key: str | None,
    model: str | None,
    upstream: str | None,
    stack: str | None,
    outcome: str | None,
) -> Selection:
    try:
        first, last = period(start, end)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--from") from None
    return Selection(first, last, key, model, upstream, stack, outcome)


def _form(as_json: bool, as_csv: bool) -> Form:
    if as_json and as_csv:
        raise typer.BadParameter("choose --json or --csv, not both")
    return Form.JSON if as_json else Form.CSV if as_csv else Form.TABLE


def _print_json(documents: Iterable[BaseModel]) -> None:
    for document in documents:
        typer.echo(document.model_dump_json())


def _flat(group: UsageGroup) -> dict[str, object]:
    row: dict[str, object] = {dimension.value: value for dimension, value in group.group.items()}
    return row | group.model_dump(exclude={"group"})


def _print_csv(rows: Sequence[dict[str, object]]) -> None:
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _print_totals(groups: Sequence[UsageGroup], dimensions: Sequence[Dimension]) -> None:
    table = Table(*dimensions, box=SIMPLE_HEAD)
    for title in (
        "requests",
        "failed",
        "prompt",
        "completion",
        "uncounted",
        "ttft p50",
        "ttft p95",
    ):
        table.add_column(title, justify="right")
    table.add_column("seconds p95", justify="right")
    for group in groups:
        table.add_row(
            *(group.group[dimension] for dimension in dimensions),
            f"{group.requests:,}",
            f"{group.failures:,}",
            f"{group.prompt_tokens:,}",
            f"{group.completion_tokens:,}",
            f"{group.uncounted_chunks:,}",
            _seconds(group.first_token_p50),
            _seconds(group.first_token_p95),
            _seconds(group.seconds_p95),
        )
    _print(table)


def _print_records(found: Sequence[UsageRecord]) -> None:
    table = Table(
        "began (UTC)", "request", "key", "model", "upstream", "stack", "outcome", box=SIMPLE_HEAD
    )
    for title in ("prompt", "completion", "ttft", "seconds"):
        table.add_column(title, justify="right")
    for record in found:
        table.add_row(
            f"{record.began_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
            record.request_id,
            record.key_id,
            record.model,
            record.upstream,
            record.stack,
            record.outcome,
            _tokens(record.prompt_tokens),
            _tokens(record.completion_tokens),
            _seconds(record.first_token_seconds),
            _seconds(record.seconds),
        )
    _print(table)


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else UNBOUNDED).print(table)


def _tokens(count: int | None) -> str:
    return "-" if count is None else f"{count:,}"


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.3f}"
