"""The command line: `querylake_api.pex serve|keys|migrate|check-config`."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from querylake_api.configuration.command_options import ConfigOption
from querylake_api.configuration.loading import load_configuration
from querylake_api.doctor.commands import doctor
from querylake_api.errors import EX_UNAVAILABLE, ApiError, OperatorError
from querylake_api.keys.commands import app as keys_app
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import go_back
from querylake_api.persistence.migrate import migrate as migrate_database
from querylake_api.process.serve import listen
from querylake_api.process.serve import serve as serve_until_signal
from querylake_api.ray_serve.commands import deploy, undeploy
from querylake_api.rollouts.commands import app as rollout_app
from querylake_api.usage.commands import app as usage_app
from querylake_version import VERSION

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="QueryLake's OpenAI-compatible API.",
)
app.add_typer(keys_app, name="keys")
app.add_typer(usage_app, name="usage")
app.add_typer(rollout_app, name="rollout")
app.command()(doctor)
app.command()(deploy)
app.command()(undeploy)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(VERSION)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def serve(
    config: ConfigOption,
    host: Annotated[str | None, typer.Option(help="Overrides server.host.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Overrides server.port; 0 picks one.", min=0, max=65535)
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Overrides server.workers: how many processes.", min=1, max=64),
    ] = None,
) -> None:
    """Migrate the database and serve until SIGTERM."""
    given = {"host": host, "port": port, "workers": workers}
    configuration = load_configuration(config).overridden(
        {key: value for key, value in given.items() if value is not None}
    )
    server = configuration.settings.server
    serve_until_signal(configuration, listen(server.host, server.port))


@app.command()
def migrate(
    config: ConfigOption,
    back_to: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION",
            help="Go back to the form of an older version, which says what it needs.",
        ),
    ] = None,
) -> None:
    """Bring the database to the form that this version needs. To go back, stop servers first."""

    async def run() -> str:
        configuration = load_configuration(config, for_engines=False)
        async with open_database(configuration) as database:
            if back_to is not None:
                await go_back(database, back_to)
            revision = back_to or await migrate_database(database)
            return f"The database at {database.where} is at revision {revision}."

    typer.echo(asyncio.run(run()))


@app.command("check-config")
def check_config(config: ConfigOption) -> None:
    """Read the configuration and say what is wrong with it, or that nothing is."""
    settings = load_configuration(config).settings
    typer.echo(f"{config}: good.")
    for name, model in settings.models.items():
        targets = ", ".join(f"{target.upstream} ({target.role})" for target in model.targets)
        typer.echo(f"  model {name}: {', '.join(model.capabilities)} from {targets}")


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    # Commands report through exceptions; the log of libraries is for `serve`.
    logging.getLogger().addHandler(logging.NullHandler())
    name = Path(sys.argv[0]).name
    program = "querylake_api" if name == "__main__.py" else name
    try:
        app()
    except (OperatorError, ApiError) as error:
        typer.echo(f"{program}: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, OperatorError) else EX_UNAVAILABLE)
