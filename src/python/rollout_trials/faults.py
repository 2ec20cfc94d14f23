"""What can be wrong with the new stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProxyFault = Literal["errors", "in-band errors", "truncation", "slow first tokens"]
"""What the proxy in front of an engine does to requests: answers 500; ends a stream with an error
event and `[DONE]`, as vLLM does; ends it without `[DONE]`; holds everything back for a while."""

EngineFault = Literal["killed", "stalled", "out of memory"]
"""What is done to the engine's own processes."""


@dataclass(frozen=True, slots=True)
class Sabotage:
    """A fault that the proxy puts in.

    Attributes:
        share: of the requests that have it.
        delay: seconds that an answer is held back, if that is the fault.
    """

    fault: ProxyFault
    share: float
    delay: float = 0.0
