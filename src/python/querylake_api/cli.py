"""The command line: `querylake_api.pex serve|keys|migrate|check-config`."""

from __future__ import annotations

import asyncio
import logging
import os
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

_EXAMPLES = """\
\b
Examples:
  {program} serve -c querylake.toml
  {program} keys create --name app --requests-per-minute 60
  {program} doctor
"""

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Otherwise what is in brackets, such as defaults, would be taken for markup.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="QueryLake's OpenAI-compatible API: the server, its keys, usage, rollouts and checks.",
    epilog=_EXAMPLES,
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
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that come before a command."""


@app.command()
def serve(
    config: ConfigOption,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="server.host")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 picks a free one.",
            show_default="server.port",
            min=0,
            max=65535,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Worker processes.", show_default="server.workers", min=1, max=64),
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
            help="Go back to the schema revision of an older version; its refusal names it.",
        ),
    ] = None,
) -> None:
    """Migrate the database to this version's schema. Stop all servers before going back."""

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
    """Check the configuration file, and show its models and their targets."""
    settings = load_configuration(config).settings
    typer.echo(f"{config}: good.")
    for name, model in settings.models.items():
        targets = ", ".join(f"{target.upstream} ({target.role})" for target in model.targets)
        typer.echo(f"  model {name}: {', '.join(model.capabilities)} from {targets}")


def _program() -> str:
    """Return what this program was started as, for its usage line."""
    name = Path(os.environ.get("PEX", sys.argv[0])).name
    return "python -m querylake_api" if name == "__main__.py" else name


def main() -> None:
    """Run a command. Faults that an operator can mend are one sentence and an exit code."""
    # Commands report through exceptions; the log of libraries is for `serve`.
    logging.getLogger().addHandler(logging.NullHandler())
    program = _program()
    app.info.epilog = _EXAMPLES.format(program=program)
    try:
        app(prog_name=program)
    except (OperatorError, ApiError) as error:
        typer.echo(f"{program.removeprefix('python -m ')}: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, OperatorError) else EX_UNAVAILABLE)
