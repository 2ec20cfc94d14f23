"""The engines of one stack of a model, and which of them is next."""

# compiled: runs for each request.

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import ClassVar

from llm_provider.errors import BreakerOpen, NotInRotation, ProviderError
from llm_provider.retry_budget import RetryBudget
from querylake_api.inference.catalog import Target
from querylake_api.inference.gate import Gate
from querylake_api.upstreams.misfits import Place


class Pool:
    """Chooses the target whose engine has the fewest requests under way.

    An engine that asked to be left alone comes last, and after it one that does not have what is
    asked for. Ties go round: between equals, the one that
    has waited longest is next.

    Args:
        targets: at least one.
        gate: how many requests the pool takes at once; None for any number.

    Attributes:
        budget: what retries it may cause.
    """

    __slots__ = ("budget", "gate", "targets")

    _clock: ClassVar[int] = 0
    """Counts choices, of all pools: engines may be in several."""

    def __init__(self, targets: Sequence[Target], gate: Gate | None, budget: RetryBudget) -> None:
        self.targets = tuple(targets)
        self.gate = gate
        self.budget = budget

    def choose(self, path: str, tried: Collection[Target] = ()) -> Target | None:
        """Return the next target that takes requests and was not tried; None if there is none.

        Args:
            path: of the route, below an engine's base URL.
        """
        now = time.monotonic()
        best: Target | None = None
        best_rank = (True, True, 0, 0)
        for target in self.targets:
            engine = target.engine
            if not engine.admits(now) or target in tried:
                continue
            misfits = engine.misfits
            left_out = bool(misfits) and misfits.leaves_out(Place(target.model, path), now)
            rank = (left_out, engine.held_until > now, engine.outstanding, engine.last_used)
            if best is None or rank < best_rank:
                best, best_rank = target, rank
        if best is not None:
            Pool._clock += 1
            best.engine.last_used = Pool._clock
            if best.engine.misfits:
                best.engine.misfits.ask(Place(best.model, path), now)
        return best

    def why_not(self) -> ProviderError:
        """Return why no target takes requests."""
        now = time.monotonic()
        waits = [
            (target.engine.breaker.retry_after(now), target.upstream)
            for target in self.targets
            if target.engine.in_rotation
        ]
        if waits:
            seconds, upstream = min(waits)
            return BreakerOpen(upstream, seconds)
        engine = self.targets[0].engine
        return NotInRotation(engine.name, engine.condition, engine.detail)
