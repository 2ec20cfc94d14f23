"""The circuit breaker, alone with a clock that the test turns."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from llm_provider.breaker import BreakerPolicy, CircuitBreaker

POLICY = BreakerPolicy(failures=3, open_seconds=1.0, max_open_seconds=8.0)


def tripped(now: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(POLICY)
    for _ in range(POLICY.failures):
        ticket = breaker.enter(now)
        assert ticket is not None
        breaker.fail(ticket, now)
    assert breaker.state(now) == "open"
    return breaker


def probe(breaker: CircuitBreaker, now: float) -> int:
    ticket = breaker.enter(now)
    assert ticket is not None
    assert breaker.probing(ticket)
    return ticket


def test_failures_in_a_row_open_it() -> None:
    breaker = CircuitBreaker(POLICY)
    for result in ("fail", "fail", "succeed", "fail", "fail"):
        ticket = breaker.enter(0.0)
        assert ticket is not None
        if result == "fail":
            breaker.fail(ticket, 0.0)
        else:
            breaker.succeed(ticket)
        assert breaker.state(0.0) == "closed"
    ticket = breaker.enter(0.0)
    assert ticket is not None
    breaker.fail(ticket, 0.0)
    assert breaker.state(0.0) == "open"
    assert breaker.enter(0.9) is None
    assert breaker.retry_after(0.25) == 0.75


def test_one_probe_and_then_all() -> None:
    breaker = tripped()
    assert breaker.state(1.0) == "half_open"
    ticket = probe(breaker, 1.0)
    assert breaker.enter(1.0) is None
    breaker.succeed(ticket)
    assert breaker.state(1.0) == "closed"
    assert not breaker.probing(ticket)
    assert breaker.enter(1.0) is not None


def test_every_failed_probe_doubles_the_wait_up_to_a_limit() -> None:
    breaker = tripped()
    now = 0.0
    for wait in (1.0, 2.0, 4.0, 8.0, 8.0):
        assert breaker.retry_after(now) == wait
        now += wait
        breaker.fail(probe(breaker, now), now)
    breaker.succeed(probe(breaker, now + 8.0))
    # Once it has closed, the next opening is a first one.
    for _ in range(POLICY.failures):
        ticket = breaker.enter(now)
        assert ticket is not None
        breaker.fail(ticket, now)
    assert breaker.retry_after(now) == 1.0


def test_a_probe_whose_client_left_makes_room_for_another() -> None:
    breaker = tripped()
    breaker.abandon(probe(breaker, 1.0), 1.1)
    breaker.succeed(probe(breaker, 1.1))
    assert breaker.state(1.1) == "closed"


def test_a_probe_that_takes_long_does_not_hold_up_the_next() -> None:
    breaker = tripped()
    slow = probe(breaker, 1.0)
    assert breaker.enter(1.9) is None
    other = probe(breaker, 2.0)
    assert breaker.enter(2.5) is None
    breaker.succeed(slow)
    assert breaker.state(2.5) == "closed"
    breaker.fail(other, 2.6)
    assert breaker.state(2.6) == "closed"


def test_what_began_before_it_opened_says_nothing_any_more() -> None:
    breaker = CircuitBreaker(POLICY)
    early = breaker.enter(0.0)
    assert early is not None
    for _ in range(POLICY.failures):
        breaker.fail(early, 0.0)
    breaker.succeed(early)
    assert breaker.state(0.5) == "open"
    breaker.fail(early, 0.9)
    assert breaker.retry_after(0.9) < 0.2
    current = probe(breaker, 1.0)
    breaker.fail(early, 1.0)
    breaker.succeed(current)
    assert breaker.state(1.0) == "closed"


@dataclass
class Step:
    wait: float
    action: str
    which: int


STEPS = st.lists(
    st.builds(
        Step,
        wait=st.floats(0, 3),
        action=st.sampled_from(["enter", "succeed", "fail", "abandon"]),
        which=st.integers(0, 5),
    ),
    max_size=200,
)


@given(STEPS)
def test_whatever_happens(steps: list[Step]) -> None:
    breaker = CircuitBreaker(POLICY)
    tickets: list[int] = []
    now = 0.0
    failures_in_a_row = 0
    last_probe = float("-inf")
    for step in steps:
        now += step.wait
        before = breaker.state(now)
        # What it says of itself always fits together.
        assert breaker.admits(now) == (breaker.retry_after(now) == 0.0)
        assert (before == "open") <= (not breaker.admits(now))
        if step.action == "enter":
            admits = breaker.admits(now)
            ticket = breaker.enter(now)
            assert (ticket is not None) == admits
            if ticket is None:
                continue
            tickets.append(ticket)
            if before == "closed":
                assert breaker.state(now) == "closed"
            else:
                # Probes come one at a time, unless one was abandoned.
                assert now - last_probe >= POLICY.open_seconds
                last_probe = now
            continue
        if not tickets:
            continue
        ticket = tickets.pop(step.which % len(tickets))
        if step.action == "succeed":
            breaker.succeed(ticket)
            failures_in_a_row = 0
            assert breaker.state(now) in (before, "closed")
        elif step.action == "fail":
            breaker.fail(ticket, now)
            failures_in_a_row += 1
            if before == "closed" and breaker.state(now) != "closed":
                assert failures_in_a_row >= POLICY.failures
        else:
            breaker.abandon(ticket, now)
            last_probe = float("-inf")
            assert breaker.state(now) == before
    # It is never stuck: left alone long enough, it lets somebody through, and one success mends it.
    now += POLICY.max_open_seconds
    ticket = breaker.enter(now)
    assert ticket is not None
    breaker.succeed(ticket)
    assert breaker.state(now) == "closed"
