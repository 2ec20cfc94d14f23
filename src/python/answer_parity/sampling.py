"""Do two engines sample alike where a request does not say how? It shows in what they draw.

Answers drawn at a lower temperature, or with a smaller `top_p`, consist of likelier tokens: the
mean logarithm of their probabilities is nearer to zero. Two sets of answers are compared by it with
Welch's test, whose unit is the answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from answer_parity.scores import t_distribution

LEAST_ANSWERS = 8
FALSE_ALARMS = 0.0005
"""Of sound engines, the share whose sampling is called different; the test is two-sided."""


def differs_in_heat(old: Sequence[float], new: Sequence[float]) -> str | None:
    """Return a clause on how differently two engines sample; None if they may be alike.

    Args:
        old: for each answer, the mean logarithm of its tokens' probabilities, in nats.
        new: the same of the new engine.
    """
    if min(len(old), len(new)) < LEAST_ANSWERS:
        return None
    (left, left_error), (right, right_error) = _mean(old), _mean(new)
    error = math.sqrt(left_error + right_error)
    if error == 0:
        alike = left == right
    else:
        # Welch and Satterthwaite's degrees of freedom, rounded down.
        degrees = (left_error + right_error) ** 2 / (
            left_error**2 / (len(old) - 1) + right_error**2 / (len(new) - 1)
        )
        tail = 1 - t_distribution(abs(left - right) / error, max(1, math.floor(degrees)))
        alike = 2 * tail > FALSE_ALARMS
    if alike:
        return None
    how = "likelier" if right > left else "less likely"
    return f"drawn tokens are {how} than before: {left:.2f} nats on average, and {right:.2f} now"


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean, and the square of its standard error."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, squares / (len(values) - 1) / len(values)
