"""By how much the canary's rate is above the control's, both arms compared inside blocks only.

The risk difference of Mantel & Haenszel, with the weights of Greenland & Robins, "Estimation of a
Common Effect Parameter from Sparse Follow-up Data" (Biometrics 41, 1985). A new share of the
traffic, or an hour in which both arms are slow, does not move it as it moves a difference of
totals.

Evidence says that a difference is there, this says how large it is. The canary's events may be
counted beyond a more generous line than the control's: then the excess is above 0 if the canary is
worse by more than what that line forgives. Beyond the same line, evidence from the odds ratio test
alone implies an excess above 0: by Jensen's inequality, its logarithm is at most the excess times
the largest log odds ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rollout_statistics.counts import Block


@dataclass(slots=True)
class Excess:
    """The running difference.

    Attributes:
        events: how many more events the canary had than the control would have had in its place.
        weight: how many requests that rests on.
        memory: requests of the canary after which what was before has faded to a third, so that
            the excess is that of now; for ever by default.
    """

    events: float = 0.0
    weight: float = 0.0
    memory: float = math.inf

    def add(self, block: Block) -> None:
        """Take one block into account. One arm alone says nothing."""
        control, canary = block.control, block.canary
        if control.trials and canary.trials:
            both = control.trials + canary.trials
            faded = math.exp(-canary.trials / self.memory)
            self.events *= faded
            self.weight *= faded
            self.events += (canary.events * control.trials - control.events * canary.trials) / both
            self.weight += control.trials * canary.trials / both

    @property
    def rate(self) -> float:
        """Events per request; 0 without requests."""
        return self.events / self.weight if self.weight else 0.0
