"""What was used in the last minute: a sliding window of one-second slots.

The promise is the one that people read into "60 a minute": in no 60 seconds whatsoever is more
admitted. A token bucket of the same size, or GCRA, would let a full bucket and its refill pass
within one minute, which is twice as much. The price is precision of a second: what was used counts
for 60 to 61 seconds.

The state is a run of 32-bit cells, so that it can lie in memory that processes share. Whoever calls
must keep others from the same cells meanwhile.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final

WINDOW_SECONDS: Final = 60
SLOTS: Final = WINDOW_SECONDS + 1
"""The slots that a window can touch: it begins within the first and ends within the last."""

CELLS: Final = SLOTS + 2
"""The slot that was current at the last look, the sum of all slots, and the slots."""

Cells = memoryview
"""Of format `I`."""

_ZEROS: Final = memoryview(bytes(4 * SLOTS)).cast("I")
_MOST: Final = 2**32 - 1


class SlidingWindow:
    """The use of one thing by one key, in cells from `base` on.

    Every time is in seconds of a clock that never goes back and that all processes share.
    """

    __slots__ = ("_base", "_cells", "_slots")

    def __init__(self, cells: Cells, base: int) -> None:
        self._cells = cells
        self._base = base
        self._slots = base + 2

    def used(self, now: float) -> int:
        """Return how much was used in the window that ends now."""
        cells = self._cells
        current = int(now)
        if cells[self._base] != current:
            self._advance(current)
        return cells[self._base + 1]

    def add(self, amount: int, now: float) -> None:
        """Count something as used now."""
        cells = self._cells
        current = int(now)
        if cells[self._base] != current:
            self._advance(current)
        slot = self._slots + current % SLOTS
        used = cells[slot] + amount
        total = cells[self._base + 1] + amount
        if total > _MOST or used > _MOST:
            total, used = min(total, _MOST), min(used, _MOST)
        cells[slot] = used
        cells[self._base + 1] = total

    def take_back(self, amount: int, at: float, now: float) -> None:
        """Count something as not used after all, unless it is forgotten already.

        Args:
            at: when it was added.
        """
        self.used(now)
        if int(now) - int(at) >= SLOTS:
            return
        slot = self._slots + int(at) % SLOTS
        amount = min(amount, self._cells[slot], self._cells[self._base + 1])
        self._cells[slot] -= amount
        self._cells[self._base + 1] -= amount

    def seconds_until(self, allowed: int, now: float) -> float:
        """Return when at most `allowed` will be in the window, if nothing is added meanwhile."""
        excess = self.used(now) - allowed
        if excess <= 0:
            return 0.0
        current = int(now)
        for slot in range(current - WINDOW_SECONDS, current + 1):
            excess -= self._cells[self._slots + slot % SLOTS]
            if excess <= 0:
                return slot + SLOTS - now
        return SLOTS - (now - current)

    def standing(self, now: float) -> tuple[int, float]:
        """Return how much was used, and when nothing will be if nothing is added meanwhile."""
        used = self.used(now)
        if used:
            current = int(now)
            for slot in range(current, current - SLOTS, -1):
                if self._cells[self._slots + slot % SLOTS]:
                    return used, slot + SLOTS - now
        return used, 0.0

    def is_empty(self, now: float) -> bool:
        """Return whether nothing is remembered, so that the cells may serve another purpose."""
        return self.used(now) == 0

    def clear(self) -> None:
        """Forget everything."""
        self._cells[self._base] = 0
        self._cells[self._base + 1] = 0
        self._cells[self._slots : self._slots + SLOTS] = _ZEROS

    def _advance(self, current: int) -> None:
        """Forget slots that have left the window. A last look in the future was before a reboot."""
        cells = self._cells
        last = cells[self._base]
        first, end = self._slots, self._slots + SLOTS
        if not 0 <= current - last < SLOTS:
            cells[first:end] = _ZEROS
            cells[self._base + 1] = 0
        else:
            for slot in range(last + 1, current + 1):
                cells[first + slot % SLOTS] = 0
            # Summed up anew, so that what a killed process left half done lasts a second at most.
            cells[self._base + 1] = min(sum(cells[first:end].tolist()), _MOST)
        cells[self._base] = current
