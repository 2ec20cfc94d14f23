"""Pages made of the text that a document brings: its own, or another OCR program's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ocr.conversion.account import counted
from ocr.conversion.result import PageResult
from ocr.layout.block import Block
from ocr.layout.page_layout import lay_out
from ocr.page_warning import PageWarning
from ocr.text import Fragment, fragment
from ocr.text_layer.annotations import Link
from ocr.text_layer.layer import TextLayer

_UNMAPPED = 0.03
"""Share of characters without meaning from which a layer is no good even where nothing else is."""
_UNMAPPED_LAST = 0.5
"""The same for a visible layer that is all there is."""
_KNOWN = 0.7
"""Share of letters in the engine's alphabet from which it may know the script."""
_LETTERS = 3
"""Letters from which a script can be told."""


@dataclass(frozen=True, slots=True)
class Fallback:
    """A page made of a layer that is second to what an engine reads, and better than nothing.

    Attributes:
        letters: how many characters it has.
        text: all of them.
    """

    result: PageResult
    letters: int
    text: str

    def only_choice(self, alphabet: Collection[str] | None) -> bool:
        """Return whether an engine with an alphabet cannot read what the layer says."""
        if alphabet is None:
            return False
        letters = [character for character in self.text if character.isalpha()]
        known = sum(character in alphabet for character in letters)
        return len(letters) >= _LETTERS and known < _KNOWN * len(letters)


def from_layer(
    number: int, layer: TextLayer, fragments: Sequence[Fragment], reason: str
) -> PageResult:
    """Return a page made of fragments, and of what lies over it."""
    pieces = [*_linked(fragments, layer.over.links), *layer.over.fragments]
    sources = {piece.source for piece in pieces}
    blocks = lay_out(pieces, layer.rules, layer.width, layer.height)
    marks = [Block("header", mark.text, mark.box, mark.source) for mark in layer.watermarks]
    return counted(
        PageResult(
            number=number,
            source="ocr" if "ocr" in sources else "text_layer",
            mixed=len(sources) > 1,
            reason=reason,
            width=layer.width,
            height=layer.height,
            rotation=layer.quarters * 90,
            skew=0.0,
            blocks=(*blocks, *marks),
            seconds=0.0,
            warnings=layer.warnings,
        ),
        pieces,
    )


def fallback_of(number: int, layer: TextLayer) -> Fallback | None:
    """Return the page as its layer has it, hidden or not; None if that is garbage or nothing."""
    hidden = layer.invisible > layer.characters
    unmapped = layer.hidden_unmapped if hidden else layer.unmapped
    letters = layer.invisible if hidden else layer.characters
    limit = _UNMAPPED if hidden else _UNMAPPED_LAST
    if letters == 0 or unmapped > limit * letters:
        return None
    pieces = [*layer.fragments]
    if hidden:
        pieces += [replace(piece, means="invisible_layer") for piece in layer.hidden]
        reason = "its text is another program's, laid over a scan that the engine cannot read"
    else:
        reason = "its text is doubtful, and the engine cannot read the page"
    result = from_layer(number, layer, pieces, reason)
    if unmapped:
        message = f"{unmapped} of its {letters} characters stand for nothing known"
        warning = PageWarning("unmapped_characters", message, incomplete=True)
        result = replace(result, warnings=(*result.warnings, warning))
    return Fallback(result, letters, "".join(piece.text for piece in pieces))


def _linked(fragments: Sequence[Fragment], links: Sequence[Link]) -> list[Fragment]:
    """Return fragments with the addresses that their words lead to."""
    if not links:
        return list(fragments)
    linked = []
    for piece in fragments:
        words = [
            (
                replace(word, link=link.target)
                if (link := next((link for link in links if word.box.within(link.box)), None))
                else word
            )
            for word in piece.words
        ]
        linked.append(fragment(words, piece.source, piece.means))
    return linked
