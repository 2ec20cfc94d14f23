"""Whether a verdict is more than the luck of the draw, also where the draw was of few keys.

A share of the keys is drawn by lot, so a handful of keys that fail on either stack may all be the
candidate's. A verdict is no luck if one of three things holds:

- *Breadth*: it stands without as many of the worst keys as luck puts there (`lucky_keys`).
- *Own past*: keys that have been on the stable stack before are worse now than they were then, each
  compared with itself. A key that is bad anywhere was bad then.
- *All of them*: every key of the candidate that has made a few requests, and at least two, has the
  event nearly always, which hardly ever happens on the stable stack.
"""

from __future__ import annotations

from rollout_statistics.counts import Block, Counts
from rollout_statistics.key_ledger import KeyLedger
from rollout_statistics.key_spread import lucky_keys, stands_without_worst
from rollout_statistics.odds_ratio import OddsRatioTest

PAST_REQUESTS = 10
"""Requests on the stable stack that make a past."""

KEY_REQUESTS = 3
KEYS = 2
REQUESTS = 10
NEARLY_ALWAYS = 0.9
MOSTLY = 0.5
HARDLY_EVER = 0.01
"""The third rule: each key has made `KEY_REQUESTS`, there are `KEYS` of them with `REQUESTS` in all
on each stack; on the candidate the event is so frequent in all and for each key, and on the stable
stack it is so rare."""


def is_broad(stable: KeyLedger, candidate: KeyLedger, share: float, log_threshold: float) -> bool:
    """Return whether the verdict stands without the keys that luck may have put there.

    Args:
        share: of the keys that the candidate has, between 0 and 1; beyond, requests are drawn.
        log_threshold: of the e-value; luck rarer than its inverse does not count.
    """
    if not 0 < share < 1 or not candidate.keys:
        return True
    worst = keys_of_luck(share, log_threshold)
    return stands_without_worst(stable.sums.rate, list(candidate.counts()), worst)


def keys_of_luck(share: float, log_threshold: float) -> int:
    """Return how many of the worst keys may be the candidate's by luck."""
    return lucky_keys(share, log_alpha=-log_threshold)


def worse_than_their_past(stable: KeyLedger, candidate: KeyLedger, log_threshold: float) -> bool:
    """Return whether keys are worse on the candidate than they were on the stable stack."""
    test = OddsRatioTest()
    for key, now in candidate.totals.items():
        past = stable.totals.get(key)
        if past is not None and past[0] >= PAST_REQUESTS:
            test.add(Block(Counts(*past), Counts(*now)))
    return test.log_e() >= log_threshold


def all_struck(stable: KeyLedger, candidate: KeyLedger) -> bool:
    """Return whether all the candidate's keys have the event nearly always, others hardly ever.

    Needs no test: two keys of which each fails nearly every request, on a stack next to one that
    fails hardly any, are no luck that is worth waiting for.
    """
    if stable.sums.rate >= HARDLY_EVER or 2 * candidate.events < candidate.trials:
        return False  # said without going through the keys
    busy = [each for each in candidate.counts() if each.trials >= KEY_REQUESTS]
    together = sum(busy, Counts())
    return (
        len(busy) >= KEYS
        and together.trials >= REQUESTS
        and together.rate >= NEARLY_ALWAYS
        and stable.trials >= REQUESTS
        and all(each.rate >= MOSTLY for each in busy)
    )
