"""What a rollout meets, as figures: the traffic, both engines, and what is wrong with one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """How often a stack does what, between 0 and 1.

    Attributes:
        hang: of requests that are never answered; their callers leave after `CALLER_SECONDS`.
    """

    failed: float = 0.01
    rejected: float = 0.005
    refused: float = 0.0
    abandoned: float = 0.002
    hang: float = 0.0
    odd: float = 0.02
    tool_call: float = 0.1


SOUND = Rates()


@dataclass(frozen=True, slots=True)
class Spells:
    """Moments in which one engine is slow, all its keys, at other times than the other engine.

    Attributes:
        seconds: that one lasts.
        every: seconds between two, in the mean.
        blocking: the probability that a request holds up what comes after it, instead of spells
            that come by themselves.
    """

    seconds: float
    every: float = 0.0
    blocking: float = 0.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a rollout meets.

    Attributes:
        share: of the keys that the candidate gets.
        stable: what the stable stack does.
        candidate: what the candidate does once a fault has begun; None if it is like the other.
        slower: the candidate's times over the stable stack's, once a fault has begun.
        slower_pauses: likewise of the pauses between tokens.
        late: requests of the candidate before the fault begins.
        streamed: whether responses are.
        keys: how many there are; how much each of them asks follows Zipf's law with exponent 0.8.
        spread: the variance of the keys' own rates, in units of the squared mean.
        bad_keys: the part of the keys whose requests fail three times in ten.
        retries: how many times, in the mean, a failed request is sent again and fails again.
        bursts: whether both stacks fail 20 times as often for 20 s about every ten minutes.
        drift: whether both stacks get up to twice as slow, and fail up to twice as often, and back,
            every half hour: a day in quick motion.
        spells: of each engine.
        cold_seconds: for which the candidate is four times as slow in the beginning.
        cold_firsts: requests of each key to the candidate that are four times as slow.
        sigma: the standard deviation of the times' logarithm; 1.2 is a heavy tail.
        listed: keys that are on the allow list, and fail one time in twenty wherever they are.
        per_second: requests per second to both arms together.
    """

    share: float
    stable: Rates = SOUND
    candidate: Rates | None = None
    slower: float = 1.0
    slower_pauses: float = 1.0
    late: int = 0
    streamed: bool = True
    keys: int = 1000
    spread: float = 0.0
    bad_keys: float = 0.0
    retries: float = 0.0
    bursts: bool = False
    drift: bool = False
    spells: Spells | None = None
    cold_seconds: float = 0.0
    cold_firsts: int = 0
    sigma: float = 0.6
    listed: int = 0
    per_second: float = 20.0

    @property
    def faulty(self) -> bool:
        """Whether the candidate has a fault, now or later."""
        return self.candidate is not None or max(self.slower, self.slower_pauses) > 1
