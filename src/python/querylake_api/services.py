"""Everything that endpoints need, made once at start and handed to them by type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from querylake_api.configuration.loading import Configuration
from querylake_api.health.service import Readiness
from querylake_api.inference.catalog import Catalog
from querylake_api.keys.authentication import Authenticator
from querylake_api.keys.service import KeyService
from querylake_api.observability.metrics import Metrics
from querylake_api.observability.observer import Observer
from querylake_api.workers.worker import Worker


@dataclass(frozen=True, slots=True)
class Services:
    """The parts of one running application.

    Attributes:
        worker: which of several processes this is, and the folder that they share.
        started_at: Unix seconds.
    """

    configuration: Configuration
    catalog: Catalog
    authenticator: Authenticator
    keys: KeyService
    readiness: Readiness
    metrics: Metrics
    observer: Observer
    worker: Worker
    started_at: int


def services_of(request: Request) -> Services:
    """Return the services of the application that handles a request."""
    return cast("Services", request.app.state.services)


ServicesDep = Annotated[Services, Depends(services_of)]
