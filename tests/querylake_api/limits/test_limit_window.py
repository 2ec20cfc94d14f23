"""The sliding window: never more than the limit in any minute, and never less for long."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from querylake_api.limits.window import CELLS, SLOTS, WINDOW_SECONDS, SlidingWindow

BASE = 3
"""Where the window begins in the memory of these tests; what is around it must stay as it is."""


def memory() -> memoryview:
    cells = memoryview(bytearray(4 * (CELLS + 2 * BASE))).cast("I")
    for index in (*range(BASE), *range(BASE + CELLS, BASE + CELLS + BASE)):
        cells[index] = 7
    return cells


@dataclass
class Gate:
    """Admits what a limit allows, and remembers what it admitted."""

    limit: int
    cells: memoryview = field(default_factory=memory)
    admitted: list[tuple[float, int]] = field(default_factory=list)

    @property
    def window(self) -> SlidingWindow:
        return SlidingWindow(self.cells, BASE)

    def ask(self, amount: int, now: float) -> bool:
        if self.window.used(now) + amount > self.limit:
            return False
        self.window.add(amount, now)
        self.admitted.append((now, amount))
        return True

    def used_since(self, moment: float) -> int:
        return sum(amount for at, amount in self.admitted if at > moment)


pauses = st.one_of(
    st.floats(0, 3, allow_nan=False),
    st.floats(0, 200, allow_nan=False),
    st.sampled_from([0.0, 1.0, 59.0, 59.999, 60.0, 60.001, 61.0]),
)
attempts = st.lists(st.tuples(pauses, st.integers(1, 12)), max_size=80)
beginnings = st.floats(1, 1_000_000, allow_nan=False)


@given(st.integers(1, 30), beginnings, attempts)
@settings(max_examples=300)
def test_no_minute_whatsoever_has_more_than_the_limit(
    limit: int, now: float, steps: list[tuple[float, int]]
) -> None:
    gate = Gate(limit)
    for pause, amount in steps:
        now += pause
        gate.ask(amount, now)
    for end, _ in gate.admitted:
        inside = [n for at, n in gate.admitted if end - WINDOW_SECONDS < at <= end]
        assert sum(inside) <= limit


@given(st.integers(1, 30), beginnings, attempts)
@settings(max_examples=300)
def test_nothing_is_refused_that_the_last_61_seconds_have_room_for(
    limit: int, now: float, steps: list[tuple[float, int]]
) -> None:
    gate = Gate(limit)
    for pause, amount in steps:
        now += pause
        if not gate.ask(amount, now):
            assert gate.used_since(now - SLOTS) + amount > limit


@given(st.integers(1, 30), beginnings, attempts, st.integers(1, 30))
@settings(max_examples=300)
def test_the_wait_that_is_told_is_enough_and_needed(
    limit: int, now: float, steps: list[tuple[float, int]], amount: int
) -> None:
    gate = Gate(limit)
    for pause, each in steps:
        now += pause
        gate.ask(each, now)
    amount = min(amount, limit)
    wait = gate.window.seconds_until(limit - amount, now)
    assert 0 <= wait <= SLOTS
    if wait > 0:
        assert not gate.ask(amount, now)
        assert not gate.ask(amount, max(now, now + wait - 1e-3))
    assert gate.ask(amount, now + wait + 1e-6)


@given(beginnings, attempts)
def test_a_client_that_keeps_its_pace_is_never_refused(
    now: float, steps: list[tuple[float, int]]
) -> None:
    gate = Gate(20)
    for step in range(200):
        assert gate.ask(1, now + step * SLOTS / 20)


@given(st.integers(1, 30), beginnings, attempts)
def test_what_is_taken_back_can_be_used_again(
    limit: int, now: float, steps: list[tuple[float, int]]
) -> None:
    gate = Gate(limit)
    for pause, amount in steps:
        now += pause
        gate.ask(amount, now)
    for at, amount in gate.admitted:
        gate.window.take_back(amount, at, now)
    assert gate.window.used(now) == 0
    assert gate.window.is_empty(now)
    assert gate.window.standing(now) == (0, 0.0)


@given(beginnings, attempts)
def test_it_is_empty_when_it_says_and_not_before(
    now: float, steps: list[tuple[float, int]]
) -> None:
    gate = Gate(1000)
    for pause, amount in steps:
        now += pause
        gate.ask(amount, now)
    _, wait = gate.window.standing(now)
    if wait > 1e-3:
        assert gate.window.used(max(now, now + wait - 1e-3)) > 0
    assert gate.window.used(now + wait + 1e-6) == 0


@given(beginnings, attempts, st.floats(0, 500))
def test_only_its_own_cells_are_touched(
    now: float, steps: list[tuple[float, int]], earlier: float
) -> None:
    gate = Gate(40)
    for pause, amount in steps:
        now += pause
        gate.ask(amount, now)
        gate.window.take_back(1, now, now)
    gate.window.clear()
    assert list(gate.cells[:BASE]) == [7] * BASE
    assert list(gate.cells[BASE + CELLS :]) == [7] * BASE


def test_a_clock_that_began_anew_forgets_everything() -> None:
    gate = Gate(1)
    assert gate.ask(1, 1_000_000.0)
    assert gate.ask(1, 5.0)
    assert not gate.ask(1, 6.0)


def test_a_count_that_was_left_half_done_heals() -> None:
    gate = Gate(5)
    assert gate.ask(5, 100.0)
    gate.cells[BASE + 1] = 4_000_000_000
    assert not gate.ask(1, 100.5)
    assert gate.window.used(101.0) == 5
    assert gate.ask(5, 161.0)


def test_numbers_as_large_as_a_cell_holds() -> None:
    gate = Gate(2**32 - 1)
    assert gate.ask(2**32 - 1, 10.0)
    gate.window.add(2**32 - 1, 10.0)
    assert gate.window.used(10.0) == 2**32 - 1
    assert not gate.ask(1, 10.0)
