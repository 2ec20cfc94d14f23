"""How much longer it takes until a signal is "not worse", if all goes on as it does.

If the candidate is as good as the stable stack, the logarithm of the e-value grows by about as much
with each request, so what is left takes as long again in proportion to what was gathered. It is a
forecast, and no promise: evidence is a random walk with a drift.
"""

from __future__ import annotations

from rollout_statistics.policy import Policy
from rollout_statistics.signal_evidence import SignalEvidence

MIN_LOG_E = 0.3
"""Less than this is no trend."""


def seconds_until_not_worse(
    seen: SignalEvidence, policy: Policy, spread: float, seconds: float
) -> float | None:
    """Return the seconds that are left; None if nobody can say.

    Args:
        spread: what the evidence is divided by.
        seconds: that the step has gathered evidence for.
    """
    if seconds <= 0 or not seen.canary.trials:
        return None
    rate = seen.canary.trials / seconds
    for_requests = max(0.0, (policy.min_requests - seen.canary.trials) / rate)
    gathered = seen.log_e_not_worse(spread)
    if gathered < MIN_LOG_E:
        return None
    for_evidence = max(0.0, policy.advance_threshold - gathered) / gathered * seconds
    return max(for_requests, for_evidence)
