"""A replica that is the wrong one is left out, and asked again after a time that doubles."""

from __future__ import annotations

from querylake_api.upstreams.misfits import LONGEST_PAUSE_SECONDS, Misfits

PLACE, OTHER = ("m", "/chat/completions"), ("m", "/rerank")


def test_it_is_left_out_for_what_it_lacks_alone() -> None:
    misfits = Misfits("u")
    misfits.add(PLACE, "404", 10.0)
    assert bool(misfits)
    assert misfits.leaves_out(PLACE, 10.9)
    assert not misfits.leaves_out(OTHER, 10.9)
    assert not misfits.leaves_out(PLACE, 11.0)
    assert misfits.reasons() == ("left out for model m at /chat/completions: 404",)
    misfits.clear(PLACE)
    assert not misfits


def test_one_request_tries_it_at_a_time() -> None:
    misfits = Misfits("u")
    misfits.add(PLACE, "404", 10.0)
    misfits.ask(PLACE, 11.0)
    assert misfits.leaves_out(PLACE, 11.5)


def test_the_pause_doubles_up_to_a_limit() -> None:
    misfits = Misfits("u")
    now, pauses = 0.0, []
    for _ in range(8):
        misfits.add(PLACE, "404", now)
        began = now
        while misfits.leaves_out(PLACE, now):
            now += 0.5
        pauses.append(now - began)
    assert pauses == [1, 2, 4, 8, 16, *[LONGEST_PAUSE_SECONDS] * 3]
