"""Two texts beside each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from answer_parity.side_by_side import SHOWN, Example, marked


def test_words_that_differ_are_marked() -> None:
    old, new = Example("x", "It is cold today.", "It is warm today.").segments()
    assert marked(old) == "It is ⟦cold⟧ today."
    assert marked(new) == "It is ⟦warm⟧ today."


def test_long_texts_are_cut_around_their_first_difference() -> None:
    same = "word " * 300
    old, new = Example("x", same + "left", same + "right").segments()
    assert marked(old).endswith("⟦left⟧")
    assert marked(new).endswith("⟦right⟧")
    assert len(marked(old)) < SHOWN


@given(st.text(max_size=60), st.text(max_size=60))
def test_segments_hold_the_texts_and_mark_only_differences(left: str, right: str) -> None:
    old, new = Example("x", left, right).segments()
    assert "".join(each.text for each in old) == left
    assert "".join(each.text for each in new) == right
    same = [[each.text for each in side if not each.differs] for side in (old, new)]
    assert "".join(same[0]) == "".join(same[1])
    if left == right:
        assert not any(each.differs for each in (*old, *new))
