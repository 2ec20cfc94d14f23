"""Lines as one text, with words that were divided at the end of a line whole again.

Whether a hyphen belongs to its word (cross-section) or to the end of the line (re-port) is often
told by the rest of the document only. Until all pages are there, such a place has a soft hyphen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ocr.layout.block import Block

_SOFT = "\u00ad"
_HYPHENATED = re.compile(r"\w[-\u2010]$")
_COMPOUND = re.compile(
    r"(?:[^\W_]-[^\W_]+|(?<!\w)(?:\w|\d+\w*|well|self|long|short|high|low|half|full|non|ex))-$",
    re.I,
)
"""What ends in a hyphen that belongs to the word, and not to the end of the line."""
_LEFT_OPEN = re.compile(
    r"(?:and|or|nor|to|und|oder|bzw\.|bis|sowie|et|ou|y|e|o|en|of|och|eller|og)\b", re.I
)
"""What follows a hyphen that stands for the rest of a compound: two- and three-storey houses."""
_HYPHENATED_WORD = re.compile(r"\w+(?:[-\u2010]\w+)+")
_DIVIDED_WORD = re.compile(rf"[\w\u2010-]*\w{_SOFT}\w[\w\u2010{_SOFT}-]*")


def joined(lines: Sequence[str]) -> str:
    """Return lines as one text. Where only other pages tell, a soft hyphen divides a word."""
    text = ""
    for line in lines:
        if ends_in_hyphen(text) and line[:1].isalnum() and not _LEFT_OPEN.match(line):
            text = (text[:-1] + _SOFT if _is_divided_word(text, line) else text) + line
        elif text and _is_wide(text[-1]) and _is_wide(line[:1]):
            text += line
        else:
            text = f"{text} {line}" if text else line
    return text


def _is_divided_word(before: str, after: str) -> bool:
    """Return whether a hyphen may be that of a line's end: not in names, nor before numbers."""
    if _COMPOUND.search(before):
        return False
    first, second = before.split()[-1], after.split()[0]
    return second[0].islower() or (first.isupper() and second.isupper() and len(first) > 2)


def ends_in_hyphen(line: str) -> bool:
    """Return whether the last word of a line may go on in the next."""
    return bool(_HYPHENATED.search(line))


def with_whole_words(pages: Sequence[Sequence[Block]]) -> list[list[Block]]:
    """Return the blocks of all pages, with a hyphen in what is hyphenated elsewhere in them."""
    blocks = [block for page in pages for block in page]
    divided = [block for block in blocks if _is_divided(block)]
    if not divided:
        return [list(page) for page in pages]
    known = set(_hyphenated(block.text for block in blocks))
    return [
        [_whole(block, known) if _is_divided(block) else block for block in page] for page in pages
    ]


def _is_divided(block: Block) -> bool:
    return block.source != "document" and _SOFT in block.text


def _hyphenated(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        for match in _HYPHENATED_WORD.finditer(text):
            yield match[0].casefold()


def _whole(block: Block, known: set[str]) -> Block:
    def whole(match: re.Match[str]) -> str:
        word = match[0]
        hyphenated = word.replace(_SOFT, "-")
        return hyphenated if hyphenated.casefold() in known else word.replace(_SOFT, "")

    def of(text: str) -> str:
        return _DIVIDED_WORD.sub(whole, text).replace(_SOFT, "")

    return replace(
        block,
        text=of(block.text),
        rows=tuple(tuple(of(cell) for cell in row) for row in block.rows),
        spans=tuple(replace(span, text=of(span.text)) for span in block.spans),
    )


def _is_wide(character: str) -> bool:
    """Return whether it is written without spaces: Chinese and Japanese."""
    return bool(character) and (
        "\u3000" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\uff00" <= character <= "\uffef"
    )
