"""A point in time after which work on a page is given up."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ocr.errors import PageTimedOut


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a page must be ready.

    Attributes:
        seconds: that it was given.
        end: on the monotonic clock.
    """

    seconds: float
    end: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline of a page that begins now."""
        return cls(seconds, time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds that are left.

        Raises:
            PageTimedOut: there are none.
        """
        left = self.end - time.monotonic()
        if left <= 0:
            raise PageTimedOut(
                f"it took longer than the limit of {self.seconds:g} s; raise the limit of seconds"
            )
        return left
