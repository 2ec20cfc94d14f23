"""The engines of one stack of a model, and which of them is next."""

# compiled: runs for each request.

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import ClassVar, Final

from llm_provider.errors import BreakerOpen, NotInRotation, ProviderError
from llm_provider.retry_budget import RetryBudget
from querylake_api.inference.catalog import Target
from querylake_api.inference.gate import Gate

LOAD_BOUND: Final = 1.3
"""Times the mean load that a replica takes for the sake of its prefix cache.

V. Mirrokni, M. Thorup, M. Zadimoghaddam: Consistent Hashing with Bounded Loads, 2018.
"""

FREE_PLACES: Final = 2
"""Requests that a replica takes whatever the mean is: of one request, the mean is a fraction."""

_MASK: Final = 0xFFFFFFFFFFFFFFFF


class Pool:
    """Chooses a target: the home of a conversation, or the one with the fewest requests under way.

    An engine that asked to be left alone comes last, and after it one that does not have what is
    asked for. Ties go round: between equals, the one that has waited longest is next.

    A conversation's home is the replica that ranks first for its head by rendezvous hashing (D.
    Thaler, C. Ravishankar, 1998): the same in every process, and when a replica leaves or comes,
    only conversations whose home it was or becomes move. A home that has more than its share of
    requests under way gives way to the next in that order.

    Args:
        targets: at least one.
        gate: how many requests the pool takes at once; None for any number.

    Attributes:
        budget: what retries it may cause.
        at_home: requests that went to their conversation's home.
        spilled: requests whose home was overloaded, or could not take them.
    """

    __slots__ = ("_names", "at_home", "budget", "gate", "spilled", "targets")

    _clock: ClassVar[int] = 0
    """Counts choices, of all pools: engines may be in several."""

    def __init__(self, targets: Sequence[Target], gate: Gate | None, budget: RetryBudget) -> None:
        self.targets = tuple(targets)
        self.gate = gate
        self.budget = budget
        self.at_home = 0
        self.spilled = 0
        self._names = tuple(_number(target.upstream) for target in self.targets)

    def choose(
        self, path: str, tried: Collection[Target] = (), head: int | None = None
    ) -> Target | None:
        """Return the next target that takes requests and was not tried; None if there is none.

        Args:
            path: of the route, below an engine's base URL.
            head: of the conversation, whose home is preferred; None to go by load alone.
        """
        now = time.monotonic()
        most = 0 if head is None else self._most_for_home()
        best: Target | None = None
        best_rank = (True, True, True, 0, 0)
        home, home_order = -1, 0
        for index, target in enumerate(self.targets):
            order = 0
            if head is not None:
                order = -_weight(head, self._names[index])
                if order < home_order:
                    home, home_order = index, order
            engine = target.engine
            if not engine.admits(now) or target in tried:
                continue
            misfits = engine.misfits
            left_out = bool(misfits) and misfits.leaves_out((target.model, path), now)
            full = engine.outstanding >= most
            rank = (
                left_out,
                engine.held_until > now,
                full,
                engine.outstanding if full else order,
                engine.last_used,
            )
            if best is None or rank < best_rank:
                best, best_rank = target, rank
        if head is not None and best is not None:
            if best is self.targets[home]:
                self.at_home += 1
            else:
                self.spilled += 1
        if best is not None:
            Pool._clock += 1
            best.engine.last_used = Pool._clock
            if best.engine.misfits:
                best.engine.misfits.ask((best.model, path), now)
        return best

    def _most_for_home(self) -> int:
        """Return how many requests under way make a replica give way to another one."""
        under_way = 1
        replicas = 0
        for target in self.targets:
            engine = target.engine
            if engine.in_rotation:
                replicas += 1
                under_way += engine.outstanding
        return max(FREE_PLACES, int(LOAD_BOUND * under_way / max(1, replicas)))

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


def _number(name: str) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")


def _weight(head: int, name: int) -> int:
    """Return where a replica stands among those for a head: the highest is its home.

    The finalizer of MurmurHash3, which is enough where nobody gains by a collision.
    """
    mixed = (head ^ name) & _MASK
    mixed = ((mixed ^ (mixed >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    mixed = ((mixed ^ (mixed >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return mixed ^ (mixed >> 33)
