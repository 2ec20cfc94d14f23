"""`querylake_api.pex keys …`: for the terminal what `/admin/keys` is for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from querylake_api.configuration.command_options import ConfigOption
from querylake_api.configuration.loading import load_configuration
from querylake_api.configuration.problems import plain_reason
from querylake_api.keys.importing import OPTIONAL, REQUIRED, ImportOutcome, read_keys
from querylake_api.keys.limits import LIMIT_NAMES, UNLIMITED
from querylake_api.keys.models import ApiKey, Scope
from querylake_api.keys.presentation import (
    DEFAULT_WORD,
    UNLIMITED_WORD,
    powers,
    print_key,
    print_keys,
)
from querylake_api.keys.repository import KeyRepository
from querylake_api.keys.schemas import (
    MAX_DAYS,
    MAX_PAGE,
    CreatedKey,
    KeyChange,
    KeyRequest,
    KeyView,
)
from querylake_api.keys.service import KeyService, NewKey
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import require_schema

Schema = TypeVar("Schema", bound=BaseModel)

_LIMIT_WORDS = f"a number, `{UNLIMITED_WORD}`, or `{DEFAULT_WORD}` for the configuration's"

app = typer.Typer(no_args_is_help=True, help="Create, list, change, revoke and import API keys.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Key id, as `keys list` shows it.")]
RpmOption = Annotated[
    str | None, typer.Option(help=f"Requests per minute: {_LIMIT_WORDS}.", metavar="LIMIT")
]
TpmOption = Annotated[
    str | None, typer.Option(help=f"Tokens per minute: {_LIMIT_WORDS}.", metavar="LIMIT")
]
ConcurrencyOption = Annotated[
    str | None, typer.Option(help=f"Concurrent requests: {_LIMIT_WORDS}.", metavar="LIMIT")
]


@app.command("create")
def create(
    config: ConfigOption,
    name: Annotated[str, typer.Option(help="Owner of the key: a person or a program.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(help="Permission; repeatable.", show_default="inference"),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model that the key may use; repeatable.", show_default="all models"),
    ] = None,
    expires_in_days: Annotated[
        float | None,
        typer.Option(
            help="Days until the key expires.",
            max=MAX_DAYS,
            metavar="DAYS",
            show_default="never",
        ),
    ] = None,
    requests_per_minute: RpmOption = None,
    tokens_per_minute: TpmOption = None,
    concurrency: ConcurrencyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a key and print it. It is shown only this once."""
    request = _validated(
        KeyRequest,
        {
            "name": name,
            "scopes": scope or [Scope.INFERENCE],
            "models": model or None,
            "expires_in_days": expires_in_days,
            **_limits(requests_per_minute, tokens_per_minute, concurrency),
        },
    )

    async def run() -> NewKey:
        async with _service(config) as service:
            return await service.create(request)

    new = asyncio.run(run())
    if as_json:
        typer.echo(CreatedKey.with_secret(new.key, new.secret).model_dump_json())
        return
    typer.echo(f"Created {new.key.id} for {new.key.name!r}: {powers(new.key)}.")
    typer.echo("Keep it now, it is not shown again:")
    typer.echo(new.secret)


@app.command("list")
def list_(
    config: ConfigOption,
    include_revoked: Annotated[bool, typer.Option(help="Also list revoked keys.")] = False,
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
    print_keys(keys)


@app.command("show")
def show(config: ConfigOption, key_id: IdArgument, as_json: JsonOption = False) -> None:
    """Show one key: scopes, models, limits, expiry. The secret itself is not stored."""

    async def run() -> ApiKey:
        async with _service(config) as service:
            return await service.get(key_id)

    key = asyncio.run(run())
    if as_json:
        typer.echo(KeyView.of(key).model_dump_json())
        return
    print_key(key)


@app.command("update")
def update(
    config: ConfigOption,
    key_id: IdArgument,
    name: Annotated[str | None, typer.Option(help="New owner of the key.")] = None,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="Permission; repeatable. Replaces all former ones.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model that the key may use; repeatable. Replaces all former ones."),
    ] = None,
    all_models: Annotated[bool, typer.Option("--all-models", help="Allow all models.")] = False,
    expires_in_days: Annotated[
        float | None,
        typer.Option(help="Days from now until it expires.", max=MAX_DAYS, metavar="DAYS"),
    ] = None,
    never_expires: Annotated[
        bool, typer.Option("--never-expires", help="Remove the expiry date.")
    ] = False,
    requests_per_minute: RpmOption = None,
    tokens_per_minute: TpmOption = None,
    concurrency: ConcurrencyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change a key. Running servers apply the change within a second."""
    if model and all_models:
        raise typer.BadParameter("leave out one of them", param_hint="--model, --all-models")
    if expires_in_days is not None and never_expires:
        raise typer.BadParameter(
            "leave out one of them", param_hint="--expires-in-days, --never-expires"
        )
    fields: dict[str, object] = _limits(requests_per_minute, tokens_per_minute, concurrency)
    if name is not None:
        fields["name"] = name
    if scope:
        fields["scopes"] = scope
    if model or all_models:
        fields["models"] = model or None
    if expires_in_days is not None or never_expires:
        fields["expires_in_days"] = expires_in_days
    change = _validated(KeyChange, fields)
    if not fields:
        raise typer.BadParameter("nothing to change; name at least one option")

    async def run() -> ApiKey:
        async with _service(config) as service:
            return await service.change(key_id, change)

    key = asyncio.run(run())
    if as_json:
        typer.echo(KeyView.of(key).model_dump_json())
        return
    typer.echo(f"Updated {key.id} ({key.name!r}, {key.hint}): {powers(key)}.")


@app.command("import")
def import_(
    config: ConfigOption,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            help=f"Columns {', '.join(REQUIRED)}; optional: {', '.join(OPTIONAL)}. A key is given "
            "in full or as its SHA-256 in hex.",
        ),
    ],
    dry_run: Annotated[bool, typer.Option(help="Check the file and change nothing.")] = False,
) -> None:
    """Import keys of another system. Keys that exist here already are not changed."""

    async def run() -> ImportOutcome:
        rows = read_keys(file)
        async with _service(config) as service:
            return await service.import_keys(rows, dry_run=dry_run)

    outcome = asyncio.run(run())
    verb = "Would import" if dry_run else "Imported"
    typer.echo(f"{verb} {len(outcome.added)} keys.")
    if outcome.present:
        lines = ", ".join(map(str, outcome.present))
        typer.echo(f"{len(outcome.present)} were here already and stay as they are: lines {lines}.")


@app.command("revoke")
def revoke(config: ConfigOption, key_id: IdArgument, as_json: JsonOption = False) -> None:
    """Revoke a key permanently. Running servers refuse it within a second."""

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
    configuration = load_configuration(config, for_engines=False)
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


def _validated(schema: type[Schema], fields: Mapping[str, object]) -> Schema:
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        raise typer.BadParameter(plain_reason(first["msg"]), param_hint=option) from None


def _limits(
    requests_per_minute: str | None, tokens_per_minute: str | None, concurrency: str | None
) -> dict[str, object]:
    """Return those limits that were given, as the schemas have them."""
    given = zip(LIMIT_NAMES, (requests_per_minute, tokens_per_minute, concurrency), strict=True)
    words: dict[str, object] = {UNLIMITED_WORD: UNLIMITED, DEFAULT_WORD: None}
    return {name: words.get(text, text) for name, text in given if text is not None}
