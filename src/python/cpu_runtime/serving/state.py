"""What requests share: the models that are ready, the work in progress, the counters."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cpu_runtime.engine.served import Served
from cpu_runtime.errors import RequestError, invalid, loading
from cpu_runtime.models.catalog import Capability
from cpu_runtime.serving.in_flight import InFlight
from cpu_runtime.serving.metrics import Metrics


class State:
    """The state of one server.

    Attributes:
        in_flight: the requests being worked on.
        metrics: the counters.
    """

    def __init__(self) -> None:
        self.in_flight = InFlight()
        self.metrics = Metrics()
        self._served: dict[str, Served] | None = None

    def publish(self, models: Sequence[Served]) -> None:
        """Let requests reach these models."""
        for served in models:
            self.metrics.add_model(served)
        self._served = {served.model.name: served for served in models}

    def models(self) -> list[Served]:
        """Return the models that are ready.

        Raises:
            RequestError: they are still being loaded.
        """
        if self._served is None:
            raise loading()
        return list(self._served.values())

    def find(self, name: object) -> Served:
        """Return the model of a name.

        Raises:
            RequestError: there is none, or it is still being loaded.
        """
        models = self.models()
        if not isinstance(name, str):
            raise invalid("'model' must be the name of a model.", "model")
        for served in models:
            if served.model.name == name:
                return served
        shown = name if len(name) <= 100 else name[:100] + "…"
        raise RequestError(
            f"There is no model {shown!r}. Available: {_names(models)}.",
            status=404,
            code="model_not_found",
            param="model",
        )

    def find_for(self, name: object, capability: Capability) -> Served:
        """Return the model of a name, if it can do what it is asked for.

        Raises:
            RequestError: it cannot, there is none, or it is still being loaded.
        """
        served = self.find(name)
        if capability in served.model.capabilities:
            return served
        able = [each for each in self.models() if capability in each.model.capabilities]
        raise invalid(
            f"{served.model.name} does not do {capability}, but "
            f"{' and '.join(served.model.capabilities)}. "
            + (f"Ask {_names(able)}." if able else f"No model of this server does {capability}."),
            "model",
            "unsupported_capability",
        )

    async def ailing(self) -> list[str]:
        """Return the names of models whose engines do not answer."""
        models = self.models()
        healthy = await asyncio.gather(*(served.client.healthy() for served in models))
        return [served.model.name for served, well in zip(models, healthy, strict=True) if not well]


def _names(models: Sequence[Served]) -> str:
    return ", ".join(served.model.name for served in models)
