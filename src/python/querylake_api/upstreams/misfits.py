"""Where an engine is well and yet the wrong one: a route, or a model, that it does not have.

Such a replica fails quickly, so that balancing by load would prefer it. It is left out for what it
does not have, as long as another replica takes requests, and asked again after a time that doubles.
"""

# compiled: runs for each request.

from __future__ import annotations

import logging
from typing import Final

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0

_log = logging.getLogger(__name__)


Place = tuple[str, str]
"""What an engine was asked for: the model's name there, and the route below its base URL."""


class _Misfit:
    __slots__ = ("next_at", "pause", "reason")

    def __init__(self, reason: str, pause: float, next_at: float) -> None:
        self.reason = reason
        self.pause = pause
        self.next_at = next_at


class Misfits:
    """What one engine does not have, as its answers tell. Times are of any clock."""

    __slots__ = ("_misfits", "_upstream")

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._misfits: dict[Place, _Misfit] = {}

    def __bool__(self) -> bool:
        return bool(self._misfits)

    def leaves_out(self, place: Place, now: float) -> bool:
        """Return whether a request should rather go elsewhere."""
        misfit = self._misfits.get(place)
        return misfit is not None and now < misfit.next_at

    def ask(self, place: Place, now: float) -> None:
        """Note that a request goes there. While it is under way, no other one needs to try."""
        misfit = self._misfits.get(place)
        if misfit is not None:
            misfit.next_at = max(misfit.next_at, now + misfit.pause)

    def add(self, place: Place, reason: str, now: float) -> None:
        """Note that the engine does not have something. The log is told the first time."""
        misfit = self._misfits.get(place)
        if misfit is None:
            self._misfits[place] = _Misfit(reason, FIRST_PAUSE_SECONDS, now + FIRST_PAUSE_SECONDS)
            _log.warning(
                "upstream %s is left out for model %s at %s while another one is well: %s; "
                "correct its base_url, its key, or the model's name there",
                self._upstream,
                *place,
                reason,
            )
            return
        misfit.reason = reason
        misfit.pause = min(2 * misfit.pause, LONGEST_PAUSE_SECONDS)
        misfit.next_at = now + misfit.pause

    def clear(self, place: Place) -> None:
        """Note that the engine has something after all."""
        if self._misfits.pop(place, None) is not None:
            _log.info("upstream %s is back for model %s at %s", self._upstream, *place)

    def reasons(self) -> tuple[str, ...]:
        """Return a clause for each thing that the engine does not have."""
        return tuple(
            f"left out for model {model} at {path}: {misfit.reason}"
            for (model, path), misfit in self._misfits.items()
        )
