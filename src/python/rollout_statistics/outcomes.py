"""The outcome of a request as the statistics see it, and which signals it is an event of."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rollout_statistics.running_quantile import bucket_of

Arm = Literal["stable", "candidate"]

ARMS: tuple[Arm, Arm] = ("stable", "candidate")

Ending = Literal["answered", "failed", "rejected", "refused", "abandoned", "waiting"]
"""`failed`: by the engine. `rejected`: a 4xx that is the engine's word. `refused`: by the arm's own
queue. `abandoned`: the client left before the end. `waiting`: not ended; see `WAITING_MARKS`."""

WAITING_MARKS = (3.0, 10.0, 30.0, 100.0, 300.0)
"""Seconds without a first token after which a request is reported as `waiting`, once for each mark.
The first mark beyond the line for "slow" makes it an event, and it counts no second time when it
ends: whoever waits longest must not be left out, and is counted once."""

MARK_BUCKETS = tuple(bucket_of(seconds) for seconds in WAITING_MARKS)


class Kind(NamedTuple):
    """Requests that are alike in everything that is judged.

    Attributes:
        arm: who had the request.
        stratum: endpoint, whether streamed, and the prompt's size: compared among themselves only.
        key: whose they are; empty if each request is drawn by itself.
        ending: how they ended.
        response: `running_quantile` bucket of the seconds to the first token, or to the whole
            response where nothing was streamed; for `waiting` and `abandoned` without a token, of
            the seconds waited so far. None if it is unknown.
        pause: likewise of the p95 of the pauses between tokens.
        longest: likewise of the longest pause.
        odd: whether the output was empty, cut by its length, or repetitive.
        finish: `tool` if it ended with a tool call, `stop` if without; empty if unknown.
        attempt_failed: whether an engine of the arm failed it and another one saved it.
    """

    arm: Arm
    stratum: str
    key: str
    ending: Ending
    response: int | None = None
    pause: int | None = None
    longest: int | None = None
    odd: bool = False
    finish: Literal["", "stop", "tool"] = ""
    attempt_failed: bool = False
