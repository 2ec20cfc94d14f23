"""How long looks at one engine take, whether they are answered or not."""

from __future__ import annotations


class LookClock:
    """Times the looks at one engine. Pure: moments are seconds of a clock that cannot be set."""

    __slots__ = ("_began", "_silent_since", "_took")

    def __init__(self) -> None:
        self._began: float | None = None
        self._silent_since: float | None = None
        self._took = 0.0

    def begin(self, now: float) -> None:
        """Note that a look begins."""
        self._began = now

    def end(self, now: float, *, answered: bool) -> None:
        """Note that the look is over.

        Args:
            answered: whether the health endpoint said anything, good or bad.
        """
        began = now if self._began is None else self._began
        self._took = now - began
        self._began = None
        if answered:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = began

    def slowness(self, now: float) -> float:
        """Return the seconds that the last look took, or the one under way if that is longer."""
        return self._took if self._began is None else max(self._took, now - self._began)

    def silence(self, now: float) -> float:
        """Return for how many seconds the health endpoint has said nothing although it was asked.

        A look under way counts: an engine that has just frozen is silent before its first look
        has failed.
        """
        since = self._began if self._silent_since is None else self._silent_since
        return 0.0 if since is None else now - since
