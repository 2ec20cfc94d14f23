"""From verdicts to what a rollout does next, as far as statistics decide it. Pure.

The product decides by this, and so does the simulation.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from rollout_statistics.verdict import Word

Course = Literal["rollback", "hold", "go on"]


def course(words: Collection[Word], *, watching: bool = False) -> Course:
    """Return what follows from the words of all signals.

    A signal that is not measured holds nothing up, and the sentence of the verdict names it.

    Args:
        watching: whether the candidate is promoted already, and only harm is looked for.
    """
    if "worse" in words:
        return "rollback"
    if watching:
        return "go on"
    # Something must have been measured: four signals are whenever there is a request at all.
    if "inconclusive" in words or "not worse" not in words:
        return "hold"
    return "go on"
