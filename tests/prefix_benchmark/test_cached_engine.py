"""The simulated engine finds in its cache what vLLM would."""

from __future__ import annotations

from prefix_benchmark.cached_engine import BLOCK, CHARACTERS, PrefixCache, rendered

TURN = [{"role": "user", "content": "what is due, and when? " * 40}]


def test_a_prompt_is_computed_once() -> None:
    cache = PrefixCache(100)
    prompt = "x" * CHARACTERS * BLOCK * 3
    assert cache.read(prompt) == 3 * BLOCK
    assert cache.read(prompt) == 1
    assert (cache.queries, cache.hits) == (6 * BLOCK, 3 * BLOCK - 1)


def test_a_next_turn_costs_what_it_adds() -> None:
    cache = PrefixCache(100)
    first = rendered(TURN)
    cache.read(first)
    more = rendered([*TURN, {"role": "assistant", "content": "Friday."}])
    added = (len(more) - len(first)) // CHARACTERS
    assert added <= cache.read(more) <= added + 2 * BLOCK


def test_another_beginning_shares_nothing() -> None:
    cache = PrefixCache(100)
    prompt = "y" * CHARACTERS * BLOCK * 3
    cache.read(prompt)
    assert cache.read("z" + prompt) == len("z" + prompt) // CHARACTERS


def test_what_is_not_used_is_evicted() -> None:
    cache = PrefixCache(2)
    old, new = "a" * CHARACTERS * BLOCK * 2, "b" * CHARACTERS * BLOCK * 2
    cache.read(old)
    cache.read(new)
    assert cache.read(old) == 2 * BLOCK
