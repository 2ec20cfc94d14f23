"""Everything that endpoints need, handed to them by type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from querylake_api.configuration.loading import Configuration
from querylake_api.configuration.reloading import Reloader
from querylake_api.health.service import Readiness
from querylake_api.inference.catalog import Catalog
from querylake_api.inference.dispatch import BalancingDispatcher
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.service import KeyService
from querylake_api.observability.history import TrafficHistory
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.observer import Observer
from querylake_api.parity.service import Parity
from querylake_api.rollouts.control.rollouts import Rollouts
from querylake_api.upstreams.registry import Upstreams
from querylake_api.usage.repository import UsageRepository
from querylake_api.workers.worker import Worker

COMPONENTS = "querylake.components"
"""Where the components are found in a request's scope."""


@dataclass(frozen=True, slots=True)
class Components:
    """The parts that endpoints use, as they are for one generation of the configuration.

    Attributes:
        generation: how many configurations the server has had, with this one.
        worker: which of several processes this is, and the folder that they share.
        started_at: Unix seconds.
    """

    generation: int
    configuration: Configuration
    catalog: Catalog
    authenticator: Authenticator
    keys: KeyService
    upstreams: Upstreams
    dispatcher: BalancingDispatcher
    readiness: Readiness
    metrics: Metrics
    history: TrafficHistory
    usage: UsageRepository
    observer: Observer
    rollouts: Rollouts
    parity: Parity
    worker: Worker
    reloader: Reloader
    started_at: int


def components_of(request: Request) -> Components:
    """Return the components of the generation that a request belongs to."""
    return cast("Components", request.scope[COMPONENTS])


ComponentsDep = Annotated[Components, Depends(components_of)]
