"""Bringing the application to a cluster and taking it away again, and touching nothing else there.

https://docs.ray.io/en/latest/serve/
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.config import AutoscalingConfig, HTTPOptions
from ray.serve.exceptions import RayServeException

from querylake_api.configuration.loading import Configuration
from querylake_api.ray_serve.errors import (
    ClusterMismatch,
    ClusterUnreachable,
    DeploymentFailed,
    NotDeployed,
)
from querylake_api.ray_serve.replica import Replica
from request_replay import middleware
from request_replay.agreement import APPLICATION, CALLBACK, REPLAYING

_REPLAYING_PROXIES: dict[str, Any] = {
    "py_modules": [str(Path(middleware.__file__).parent)],
    "env_vars": {CALLBACK: REPLAYING},
}
"""The environment of all that our connection starts, so that proxies find what replays requests.

Serve's controller is started by whoever starts Serve, and its proxies by the controller: they have
the environment of that connection as long as they live, and Ray takes the package to their nodes.
Where Serve runs already, nothing has it.
"""

_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
"""Ray takes 127.0.0.1 for `any address of mine`, and would listen where others can reach it."""

ANSWER_SECONDS = 30.0
"""For a replica that is ready to answer its first question."""

_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)+[A-Za-z_]\w*: ")
"""The last line of a trace, up to what the exception says."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many replicas there are.

    Attributes:
        target_requests: under way in each replica, on average, that Serve aims at.
        max_requests: under way in one replica at most; others wait in Serve's proxy.
        cpus: that Ray sets aside for each replica.
    """

    min_replicas: int = 1
    max_replicas: int = 4
    target_requests: int = 64
    max_requests: int = 1024
    cpus: float = 1.0


@dataclass(frozen=True, slots=True)
class Deployed:
    """How Serve stands in front of the application.

    Attributes:
        listening: whether it listens where it was told to; if it ran already, it does where it did.
        replaying: whether requests of a replica that dies are given to another one.
    """

    listening: bool
    replaying: bool


@dataclass(frozen=True, slots=True)
class Listening:
    """Where Serve's proxies listen."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Where this machine finds them."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return f"http://{host}:{self.port}"


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be connected to a cluster that is there already, and leave it as it is.

    Raises:
        ClusterUnreachable: nothing answers.
        ClusterMismatch: it runs another Ray or Python.
    """
    try:
        ray.init(
            address=address,
            runtime_env=_REPLAYING_PROXIES,
            log_to_driver=False,
            configure_logging=False,
        )
    except ConnectionError as error:
        raise ClusterUnreachable(address, _first_line(error)) from None
    except RuntimeError as error:
        if "Version mismatch" in str(error):
            raise ClusterMismatch([" ".join(str(error).split())]) from None
        raise
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def own_cluster(cpus: int) -> Iterator[None]:
    """Start a cluster on this machine, for this process alone, and stop it at the end."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Its workers have to import what we import, however that came onto our path.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # Ray's workers would otherwise run at the lowest priority.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # A machine that is busy starts Ray's agents more slowly than the 15 s that Ray allows.
    os.environ.setdefault("RAY_agent_register_timeout_ms", "60000")
    ray.init(
        address="local",
        _node_ip_address=_LOOPBACK,
        num_cpus=cpus,
        runtime_env=_REPLAYING_PROXIES,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    try:
        yield
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def deploy(
    configuration: Configuration, scale: Scale, listening: Listening, python: str | None = None
) -> Deployed:
    """Bring the application up, or bring the one that runs to this configuration, step by step.

    Serve replaces replicas one after another, and each ends when its requests have.

    Args:
        listening: used only where Serve does not run yet.
        python: the command that runs Python with QueryLake on a node; None for the node's own.

    Raises:
        DeploymentFailed: the replicas do not come up, or another application answers on `/`.
    """
    running = serve.status()
    serve.start(
        http_options=HTTPOptions(host=listening.host, port=listening.port), logging_config=None
    )
    configured = serve.deployment(
        name="QueryLake",
        max_ongoing_requests=scale.max_requests,
        autoscaling_config=AutoscalingConfig(
            min_replicas=scale.min_replicas,
            initial_replicas=scale.min_replicas,
            max_replicas=scale.max_replicas,
            target_ongoing_requests=scale.target_requests,
        ),
        graceful_shutdown_timeout_s=configuration.settings.server.drain_seconds,
        ray_actor_options={
            "num_cpus": scale.cpus,
            **({} if python is None else {"runtime_env": {"py_executable": python}}),
        },
    )
    deployment = configured(serve.ingress()(Replica))
    path = str(configuration.path.resolve())
    bound = deployment.bind(path, configuration.digest)
    try:
        handle = serve.run(bound, name=APPLICATION, route_prefix="/")
        replaying = handle.replaying.remote().result(timeout_s=ANSWER_SECONDS)
    except (RayServeException, RayError, TimeoutError) as error:
        raise DeploymentFailed(_reason(error)) from None
    except RuntimeError as error:
        reason = _reason_of_replicas() or _reason(error)
        if APPLICATION not in running.applications:
            serve.delete(APPLICATION)  # or Serve would try for ever
        raise DeploymentFailed(reason) from None
    return Deployed(listening=not running.proxies, replaying=replaying)


def undeploy() -> None:
    """Take our application away, after its requests have ended. Everything else stays.

    Raises:
        NotDeployed: it is not there.
    """
    if APPLICATION not in serve.status().applications:
        raise NotDeployed(APPLICATION)
    serve.delete(APPLICATION)


def node_python() -> str | None:
    """Return the command that runs Python as this program has it, where it is a PEX.

    The file has to be on every node under the same path. What is no PEX runs from a checkout, where
    nodes are this machine.
    """
    pex = os.environ.get("PEX")
    return None if pex is None else f"env PEX_INTERPRETER=1 {sys.executable} {pex}"


def _reason_of_replicas() -> str | None:
    """Return what replicas died of, or None if Serve does not say."""
    application = serve.status().applications.get(APPLICATION)
    deployments = application.deployments.values() if application else ()
    found = [_last_exception(deployment.message) for deployment in deployments]
    return next((reason for reason in found if reason), None)


def _reason(error: Exception) -> str:
    return _last_exception(str(error)) or _first_line(error)


def _last_exception(text: str) -> str | None:
    """Return what the last exception of a trace says, or None if there is none."""
    found = [line.strip() for line in text.splitlines() if _EXCEPTION.match(line.strip())]
    return _EXCEPTION.sub("", found[-1], count=1) if found else None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
