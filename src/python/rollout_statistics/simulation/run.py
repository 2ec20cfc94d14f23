"""One simulated rollout's requests, second by second, as the product's workers report them."""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import accumulate
from random import Random

from rollout_statistics.outcomes import MARK_BUCKETS, WAITING_MARKS, Arm, Ending, Kind
from rollout_statistics.running_quantile import bucket_of
from rollout_statistics.simulation.engine import (
    COLD,
    LONGEST_SECONDS,
    LONGEST_SIGMA,
    PAUSE_SECONDS,
    PAUSE_SIGMA,
    RESPONSE_SECONDS,
    Engine,
)
from rollout_statistics.simulation.traffic import Rates, Traffic

CALLER_SECONDS = 6.0
"""After which a caller whose request hangs has left."""

BAD_KEY_RATE = 0.3
LISTED_RATE = 0.05
LISTED_PART = 0.02
"""Of all requests, that each key on the list makes."""

BURST_FACTOR, BURST_SECONDS, BURST_EVERY = 20.0, 20, 600
DRIFT_SECONDS = 1800.0


class Run:
    """One rollout's traffic.

    Attributes:
        candidate_requests: sent to the candidate up to now.
        listed: keys that the plan lists.
    """

    def __init__(self, traffic: Traffic, generator: Random) -> None:
        self.traffic = traffic
        self._generator = generator
        self._engines: dict[Arm, Engine] = {
            "stable": Engine(traffic, generator),
            "candidate": Engine(traffic, generator),
        }
        self._names = [f"k{number}" for number in range(traffic.keys)]
        self._activity = list(accumulate(1 / (rank + 1) ** 0.8 for rank in range(traffic.keys)))
        self._arms = self._draw_arms()
        self._ratios = [self._ratio() for _ in self._names]
        self._seen: Counter[str] = Counter()
        self._due: defaultdict[int, list[Kind]] = defaultdict(list)
        self._burst_left = 0
        self._sound = traffic.stable
        self._faulty = traffic.candidate or traffic.stable
        self.candidate_requests = 0
        self.listed = frozenset(f"listed{number}" for number in range(traffic.listed))

    def _draw_arms(self) -> list[Arm]:
        draw, share = self._generator.random, self.traffic.share
        while True:
            arms: list[Arm] = ["candidate" if draw() < share else "stable" for _ in self._names]
            if "candidate" in arms and "stable" in arms:
                return arms

    def _ratio(self) -> float:
        """Draw a key's own rate of failures, over that of its stack."""
        traffic = self.traffic
        if traffic.bad_keys and self._generator.random() < traffic.bad_keys:
            return BAD_KEY_RATE / traffic.stable.failed
        if traffic.spread:
            shape = 1 / traffic.spread
            return self._generator.gammavariate(shape, 1 / shape)
        return 1.0

    def looks(self) -> Iterator[tuple[float, Counter[Kind]]]:
        """Yield each second and what was reported in it, for ever."""
        second = 0
        while True:
            second += 1
            for at in self._arrivals(second - 1):
                self._request(at)
            yield float(second), Counter(self._due.pop(second, ()))

    def _arrivals(self, second: int) -> Iterator[float]:
        if self.traffic.bursts:
            if not self._burst_left and self._generator.random() < 1 / BURST_EVERY:
                self._burst_left = BURST_SECONDS
            self._burst_left = max(0, self._burst_left - 1)
        count = poisson(self._generator, self.traffic.per_second)
        return iter(sorted(second + self._generator.random() for _ in range(count)))

    def _request(self, at: float) -> None:
        if self.traffic.listed and self._generator.random() < LISTED_PART * self.traffic.listed:
            key = f"listed{self._generator.randrange(self.traffic.listed)}"
            self._send(at, key, "candidate", LISTED_RATE / self.traffic.stable.failed)
            return
        place = bisect(self._activity, self._generator.random() * self._activity[-1])
        key, arm = self._names[place], self._arms[place]
        ending = self._send(at, key, arm, self._ratios[place])
        if ending == "failed" and self.traffic.retries:
            for _ in range(poisson(self._generator, self.traffic.retries)):
                self._report(at, Kind(arm, "chat", key, "failed"))
                self.candidate_requests += arm == "candidate"

    def _send(self, at: float, key: str, arm: Arm, ratio: float) -> Ending:
        """Send one request, and have it reported when it ends."""
        traffic = self.traffic
        faulty = False
        if arm == "candidate":
            self.candidate_requests += 1
            faulty = self.candidate_requests > traffic.late
        rates = self._faulty if faulty else self._sound
        wave = self._wave(at)
        factor, more = self._engines[arm].slowness(at)
        factor *= self._cold(at, key, arm) * wave
        slower, pauses = (traffic.slower, traffic.slower_pauses) if faulty else (1.0, 1.0)
        ending = self._ending(rates, ratio * wave * (BURST_FACTOR if self._burst_left else 1.0))
        if ending == "waiting":
            self._hang(at, key, arm)
            return ending
        if ending != "answered":
            self._report(at, Kind(arm, "chat", key, ending))
            return ending
        engine, draw = self._engines[arm], self._generator.random
        response = engine.bucket(RESPONSE_SECONDS, traffic.sigma, factor * slower, more)
        kind = Kind(arm, "chat", key, ending, response)
        if traffic.streamed:
            factor *= pauses
            kind = kind._replace(
                pause=engine.bucket(PAUSE_SECONDS, PAUSE_SIGMA, factor, 0.0),
                longest=engine.bucket(LONGEST_SECONDS, LONGEST_SIGMA, factor, more),
            )
        if draw() < rates.odd:
            kind = kind._replace(odd=True)
        elif draw() < traffic.stable.tool_call:
            kept = draw() * traffic.stable.tool_call < rates.tool_call
            kind = kind._replace(finish="tool" if kept else "stop")
        else:
            kind = kind._replace(finish="stop")
        self._finish(at, kind)
        return ending

    def _ending(self, rates: Rates, factor: float) -> Ending:
        draw = self._generator.random()
        draw -= min(0.9, rates.failed * factor)
        if draw < 0:
            return "failed"
        others: tuple[tuple[Ending, float], ...] = (
            ("rejected", rates.rejected),
            ("refused", rates.refused),
            ("abandoned", rates.abandoned),
            ("waiting", rates.hang),
        )
        for ending, rate in others:
            draw -= rate
            if draw < 0:
                return ending
        return "answered"

    def _wave(self, at: float) -> float:
        if not self.traffic.drift:
            return 1.0
        return 1.5 - 0.5 * math.cos(2 * math.pi * at / DRIFT_SECONDS)

    def _cold(self, at: float, key: str, arm: Arm) -> float:
        traffic = self.traffic
        if arm == "stable" or not (traffic.cold_firsts or traffic.cold_seconds):
            return 1.0
        self._seen[key] += 1
        return COLD if at < traffic.cold_seconds or self._seen[key] <= traffic.cold_firsts else 1.0

    def _hang(self, at: float, key: str, arm: Arm) -> None:
        waited = [seconds for seconds in WAITING_MARKS if seconds < CALLER_SECONDS]
        for seconds in waited:
            mark = MARK_BUCKETS[WAITING_MARKS.index(seconds)]
            self._report(at + seconds, Kind(arm, "chat", key, "waiting", mark))
        end = bucket_of(CALLER_SECONDS)
        self._report(at + CALLER_SECONDS, Kind(arm, "chat", key, "abandoned", end))

    def _finish(self, at: float, kind: Kind) -> None:
        """Report a response, and the marks that it was waiting at before."""
        bucket = kind.response
        if bucket is not None and bucket >= MARK_BUCKETS[0]:
            for mark, seconds in zip(MARK_BUCKETS, WAITING_MARKS, strict=True):
                if mark <= bucket:
                    waiting = Kind(kind.arm, kind.stratum, kind.key, "waiting", mark)
                    self._report(at + seconds, waiting)
        self._report(at + 1.02 ** (bucket or 0), kind)

    def _report(self, at: float, kind: Kind) -> None:
        self._due[math.ceil(at)].append(kind)


def poisson(generator: Random, mean: float) -> int:
    """Draw from Poisson's distribution, by Knuth's method; large means in parts."""
    count = 0
    while mean > 0:
        part = min(mean, 200.0)
        mean -= part
        limit, product = math.exp(-part), generator.random()
        while product > limit:
            count += 1
            product *= generator.random()
    return count
