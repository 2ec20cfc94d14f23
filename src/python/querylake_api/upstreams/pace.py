"""How often an engine is looked at, and how long a look may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Looks at one engine.

    Attributes:
        interval: seconds from one to the next, if they are answered in less.
        timeout: seconds that one may take.
    """

    interval: float
    timeout: float
