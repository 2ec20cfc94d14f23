"""From the probabilities of a line's steps to its words."""

from __future__ import annotations

import numpy as np
import pytest

from ocr.engines.rapid.recognition import decoded
from ocr.engines.rapid.session import Floats

CHARACTERS = ("", "%", "5", "w", " ")


def line(text: str, *, gap: int = 1, faint: float = 0.0) -> Floats:
    """Return the steps of a line: a blank after each letter, and more of them after `%`.

    Args:
        gap: blanks after `%`.
        faint: the probability of a space in the middle of these.
    """
    rows: list[Floats] = []
    for letter in text:
        rows.append(_step(CHARACTERS.index(letter), 0.9))
        blanks = gap if letter == "%" else 1
        for number in range(blanks):
            row = _step(0, 0.8)
            if letter == "%" and number == blanks // 2:
                row[-1] = faint
            rows.append(row)
    return np.stack(rows)


def _step(character: int, probability: float) -> Floats:
    row = np.zeros(len(CHARACTERS), np.float32)
    row[character] = probability
    return row


@pytest.mark.parametrize(
    ("gap", "faint", "words"),
    [
        (5, 0.15, ["5%", "w"]),
        (5, 0.08, ["5%", "w"]),
        (5, 0.02, ["5%w"]),
        (1, 0.15, ["5%w"]),
    ],
    ids=["likely", "faint", "a wide letter alone", "letters that touch"],
)
def test_a_faint_space_in_a_wide_gap_parts_words(gap: int, faint: float, words: list[str]) -> None:
    steps = line("5%w", gap=gap, faint=faint)
    assert [each.text for each in decoded(steps, CHARACTERS, len(steps))] == words


def test_spaces_part_words_and_doubled_letters_need_a_blank_between() -> None:
    steps = line("55 w")
    assert [each.text for each in decoded(steps, CHARACTERS, len(steps))] == ["55", "w"]
    (word,) = decoded(np.stack([_step(2, 0.9)] * 2), CHARACTERS, 2)
    assert (word.text, word.start, word.end) == ("5", 0.0, 0.75)
