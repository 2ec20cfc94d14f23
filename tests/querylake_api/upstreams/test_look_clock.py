"""How long looks take, and for how long nothing was said."""

from __future__ import annotations

from querylake_api.upstreams.look_clock import LookClock


def test_a_look_under_way_counts_once_it_takes_longer_than_the_last() -> None:
    clock = LookClock()
    assert clock.slowness(5.0) == 0.0
    clock.begin(10.0)
    clock.end(10.5, answered=True)
    clock.begin(11.0)
    assert [clock.slowness(now) for now in (11.1, 12.5)] == [0.5, 1.5]


def test_silence_lasts_from_the_first_look_that_got_no_word_to_the_first_that_does() -> None:
    clock = LookClock()
    assert clock.silence(5.0) == 0.0
    clock.begin(10.0)
    assert clock.silence(10.5) == 0.5
    clock.end(11.0, answered=False)
    assert clock.silence(11.5) == 1.5
    clock.begin(12.0)
    clock.end(13.0, answered=False)
    assert clock.silence(13.0) == 3.0
    clock.begin(14.0)
    clock.end(14.1, answered=True)
    assert clock.silence(15.0) == 0.0
