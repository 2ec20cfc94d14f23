"""`querylake_api.pex deploy` and `undeploy`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from querylake_api.configuration.command_options import ConfigOption
from querylake_api.configuration.loading import Configuration, load_configuration
from querylake_api.doctor.ray_versions import (
    DashboardUnusable,
    cluster_version,
    mismatches,
    show_token,
)
from querylake_api.persistence.database import open_database
from querylake_api.persistence.migrate import migrate
from querylake_api.ray_serve.errors import ClusterMismatch, ClusterUnreachable
from querylake_api.ray_serve.reach import reach

AddressOption = Annotated[
    str, typer.Option(help="Cluster address: host:port of its head, or `auto` for this node's.")
]


def deploy(
    config: ConfigOption,
    address: AddressOption = "auto",
    dashboard: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Dashboard of the cluster; versions are compared before connecting."
        ),
    ] = None,
    local: Annotated[
        bool, typer.Option("--local", help="Start a local cluster instead, until Ctrl-C.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(help="Address that Ray Serve listens on.", show_default="server.host"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port that Ray Serve listens on.", show_default="server.port", min=1, max=65535
        ),
    ] = None,
    min_replicas: Annotated[
        int, typer.Option(help="Minimum number of replicas.", min=1, max=1000)
    ] = 1,
    max_replicas: Annotated[
        int, typer.Option(help="Maximum number of replicas.", min=1, max=1000)
    ] = 4,
    target_requests: Annotated[
        int, typer.Option(help="Concurrent requests per replica that autoscaling aims at.", min=1)
    ] = 64,
    cpus: Annotated[float, typer.Option(help="CPUs reserved per replica.", min=0)] = 1.0,
    python: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command that runs Python with QueryLake on a node.",
            show_default="this PEX, under the same path",
        ),
    ] = None,
) -> None:
    """Deploy the API as replicas on an existing Ray cluster, or update the deployment.

    Nothing else in the cluster is changed. The configuration file must exist on every node.
    """
    configuration = load_configuration(config)
    if max_replicas < min_replicas:
        raise typer.BadParameter("is less than --min-replicas", param_hint="--max-replicas")
    asyncio.run(_prepare(configuration))
    if dashboard is not None:
        _compare(dashboard.rstrip("/"))
    if not local:
        reach(address)
    show_token()
    # Here, because importing Ray takes longer than any other command.
    from querylake_api.ray_serve import deployment as ray

    server = configuration.settings.server
    listening = ray.Listening(host or server.host, port or server.port)
    scale = ray.Scale(
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        target_requests=target_requests,
        cpus=cpus,
    )
    if local:
        with ray.own_cluster(cpus=max(2, round(max_replicas * cpus))):
            ray.deploy(configuration, scale, listening, python)
            typer.echo(f"QueryLake answers on {listening.url}; Ctrl-C stops it.")
            _until_signal()
        return
    with ray.connected(address):
        deployed = ray.deploy(configuration, scale, listening, python or ray.node_python())
    if deployed.listening:
        typer.echo(f"QueryLake answers on {listening.url}.")
    else:
        typer.echo("QueryLake answers. Serve ran already, and listens where it did.")
    if not deployed.replaying:
        typer.echo(
            "Serve's proxies are not ours to change: they answer 500 to requests whose "
            "replica dies. docs/operations/ray-serve.md says how they can ask another one."
        )


def undeploy(address: AddressOption = "auto") -> None:
    """Take the API away from a Ray cluster, after its requests have ended."""
    reach(address)
    show_token()
    from querylake_api.ray_serve import deployment as ray

    with ray.connected(address):
        ray.undeploy()
    typer.echo("QueryLake is gone from the cluster; everything else there is as it was.")


async def _prepare(configuration: Configuration) -> None:
    """Bring the tables up before replicas come that would all want to, and find faults at once."""
    async with open_database(configuration) as database:
        await migrate(database)


def _compare(dashboard: str) -> None:
    try:
        problems = mismatches(cluster_version(dashboard))
    except DashboardUnusable as error:
        raise ClusterUnreachable(dashboard, str(error)) from None
    if problems:
        raise ClusterMismatch(problems)


def _until_signal() -> None:
    wanted = {signal.SIGINT, signal.SIGTERM}
    previous = {number: signal.signal(number, signal.default_int_handler) for number in wanted}
    try:
        signal.pause()
    except KeyboardInterrupt:
        typer.echo("Stopping ...")
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
