"""Why two engines render the same request to other tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answer_parity.causes import REMEDIES, Cause, explain_counts, explain_prompts

PROMPT = [1, *range(100, 160), 2]


@pytest.mark.parametrize(
    ("new", "same_tokenizer", "cause"),
    [
        ([1, *PROMPT], True, Cause.BOS_DOUBLED),
        (PROMPT[1:], True, Cause.BOS_MISSING),
        ([*PROMPT[:5], 198, *PROMPT[5:]], True, Cause.TEMPLATE),
        ([*PROMPT[:-1], 198, 2], True, Cause.TEMPLATE),
        ([7, 8, 9], False, Cause.TOKENIZER),
        (PROMPT[-30:], True, Cause.CONTEXT),
        (PROMPT[:30], True, Cause.CONTEXT),
        ([*PROMPT[:10], *PROMPT[40:]], True, Cause.CONTEXT),
    ],
)
def test_the_cause_is_named(new: list[int], same_tokenizer: bool, cause: Cause) -> None:
    told = explain_prompts(PROMPT, new, same_tokenizer=same_tokenizer)
    assert told is not None
    assert told[0] is cause


@pytest.mark.parametrize(
    ("lengths", "cause"),
    [
        ([(10, 11), (50, 51), (900, 901)], Cause.BOS_DOUBLED),
        ([(10, 9), (50, 49)], Cause.BOS_MISSING),
        ([(10, 12), (50, 54), (90, 94)], Cause.TEMPLATE),
        ([(10, 11), (50, 60), (900, 1080)], Cause.TOKENIZER),
        ([(10, 10), (50, 50), (900, 512)], Cause.CONTEXT),
    ],
)
def test_the_cause_by_counts_alone(lengths: list[tuple[int, int]], cause: Cause) -> None:
    told = explain_counts(lengths)
    assert told is not None
    assert told[0] is cause


@given(st.lists(st.integers(0, 1000), max_size=50), st.booleans())
def test_the_same_tokens_need_no_explanation(tokens: list[int], same_tokenizer: bool) -> None:
    assert explain_prompts(tokens, list(tokens), same_tokenizer=same_tokenizer) is None
    assert explain_counts([(len(tokens), len(tokens))]) is None


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=40),
    st.lists(st.integers(0, 50), min_size=1, max_size=40),
)
def test_other_tokens_always_have_a_cause(old: list[int], new: list[int]) -> None:
    assert (explain_prompts(old, new, same_tokenizer=True) is None) == (old == new)


def test_every_cause_has_a_remedy() -> None:
    assert REMEDIES.keys() == set(Cause)
