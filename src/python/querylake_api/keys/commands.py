"""`querylake_api.pex keys …`: for the terminal what `/admin/keys` is for programs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from querylake_api.command_options import ConfigOption
from querylake_api.configuration.loading import load_configuration
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.schemas import MAX_DAYS, MAX_PAGE, CreatedKey, KeyRequest, KeyView
from querylake_api.keys.service import KeyService, NewKey
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import require_schema

ID_LENGTH = 20
UNBOUNDED = 400
"""Columns to assume where there is no terminal."""

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("create")
def create(
    config: ConfigOption,
    name: Annotated[str, typer.Option(help="Who or what the key is for.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it opens; may be repeated. [inference]")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A model it may use; may be repeated. [all]")
    ] = None,
    expires_in_days: Annotated[
        float | None, typer.Option(help="Its life time. [for ever]", max=MAX_DAYS)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it. It is shown only this once."""
    try:
        request = KeyRequest(
            name=name,
            scopes=scope or [Scope.INFERENCE],
            models=model or None,
            expires_in_days=expires_in_days,
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(first["msg"], param_hint=option) from None

    async def run() -> NewKey:
        async with _service(config) as service:
            return await service.create(request)

    new = asyncio.run(run())
    if as_json:
        typer.echo(CreatedKey.with_secret(new.key, new.secret).model_dump_json())
        return
    typer.echo(f"Created {new.key.id} for {new.key.name!r}: {_powers(new.key)}.")
    typer.echo("Keep it now, it is not shown again:")
    typer.echo(new.secret)


@app.command("list")
def list_(
    config: ConfigOption,
    include_revoked: Annotated[bool, typer.Option(help="Show revoked keys too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List keys, newest first."""

    async def run() -> list[ApiKey]:
        async with _service(config) as service:
            return await _every_page(service, include_revoked)

    keys = asyncio.run(run())
    if as_json:
        for key in keys:
            typer.echo(KeyView.of(key).model_dump_json())
        return
    # The id is what the next command needs: it is never cut, and nothing is where no one looks.
    table = Table(Column("id", no_wrap=True, min_width=ID_LENGTH), "name", "key", box=SIMPLE_HEAD)
    for title in ("scopes", "models", "created", "expires", "revoked"):
        table.add_column(title)
    for key in keys:
        table.add_row(
            key.id,
            key.name,
            key.hint,
            ", ".join(sorted(key.scopes)),
            "all" if key.models is None else ", ".join(sorted(key.models)),
            _moment(key.created_at),
            _moment(key.expires_at),
            _moment(key.revoked_at),
        )
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(width=width).print(table)


@app.command("revoke")
def revoke(
    config: ConfigOption,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Revoke a key for good. Running servers refuse it within a second."""

    async def run() -> ApiKey:
        async with _service(config) as service:
            return await service.revoke(key_id)

    key = asyncio.run(run())
    if as_json:
        typer.echo(KeyView.of(key).model_dump_json())
        return
    typer.echo(f"Revoked {key.id} ({key.name!r}, {key.hint}).")


@asynccontextmanager
async def _service(config: Path) -> AsyncIterator[KeyService]:
    configuration = load_configuration(config)
    async with open_database(configuration) as database:
        await require_schema(database)
        yield KeyService(KeyRepository(database), configuration.settings.models)


async def _every_page(service: KeyService, revoked: bool) -> list[ApiKey]:
    keys: list[ApiKey] = []
    while True:
        after = keys[-1].id if keys else None
        page = await service.page(limit=MAX_PAGE, after=after, revoked=revoked)
        keys += page
        if len(page) < MAX_PAGE:
            return keys


def _powers(key: ApiKey) -> str:
    models = "all models" if key.models is None else ", ".join(sorted(key.models))
    until = "for ever" if key.expires_at is None else f"until {_moment(key.expires_at)}"
    return f"{' and '.join(sorted(key.scopes))}, {models}, {until}"


def _moment(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment:%Y-%m-%d %H:%M} UTC"
