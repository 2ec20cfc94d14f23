"""The gates and their checklist, read from a Markdown document.

A gate is a heading `Gate N`, at any level, up to the next heading of its level or above. Its lines
are task list items as GitHub renders them (https://github.github.com/gfm/#task-list-items-extension-);
fenced code and comments are left out. Lines outside a gate belong to nobody and are left out too.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE_END = re.compile(r"\r\n|\r|\n")
_HEADING = re.compile(r" {0,3}(#{1,6})(\s.*)?")
_GATE = re.compile(r"gate ([0-9]{1,4})\b[\s:.\u2013\u2014-]*(.*)", re.IGNORECASE)
_BULLET = re.compile(r"(\s*)(?:[-*+]|[0-9]{1,9}[.)])\s+(.*)")
_BOX = re.compile(r"\[([ xX])\]\s+(.*)")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)")
_TAB_WIDTH = 4
_CODE_INDENT = 4
"""Spaces that make a line code where no list is open."""


@dataclass(frozen=True)
class ChecklistLine:
    """One box.

    Attributes:
        id: stays the same while the gate's number, the section and the text do, wherever in the
            document the line moves and whatever is written around it.
        section: what the line stands under inside its gate: headings, then the list items around
            it, outermost first.
        text: what is to be done, as Markdown.
        ticked: whether the document ticks it.
    """

    id: str
    section: tuple[str, ...]
    text: str
    ticked: bool


@dataclass(frozen=True)
class Gate:
    """A gate of the upgrade, with its lines in the document's order."""

    number: int
    title: str
    lines: tuple[ChecklistLine, ...]


@dataclass
class _Item:
    """A list item while its text is being read. `ticked` is None where it has no box."""

    indent: int
    section: tuple[str, ...]
    text: str
    ticked: bool | None


@dataclass
class _OpenGate:
    """A gate while it is being read."""

    level: int
    number: int
    title: str
    headings: list[tuple[int, str]] = field(default_factory=list)
    items: list[_Item] = field(default_factory=list)
    around: list[_Item] = field(default_factory=list)
    in_paragraph: bool = False

    def heading(self, level: int, text: str) -> None:
        """Begin a section of the gate."""
        while self.headings and self.headings[-1][0] >= level:
            self.headings.pop()
        self.headings.append((level, text))
        self.around.clear()
        self.in_paragraph = False

    def line(self, text: str) -> None:
        """Take a line that is neither a heading nor code."""
        bullet = _BULLET.fullmatch(text)
        indent = len(text) - len(text.lstrip())
        if bullet is not None and (self.around or indent < _CODE_INDENT):
            self._item(indent, bullet[2])
        elif self.in_paragraph and indent > self.around[-1].indent and text.strip():
            self.around[-1].text = _one_line(f"{self.around[-1].text} {text}")
        else:
            self.in_paragraph = False

    def _item(self, indent: int, text: str) -> None:
        while self.around and self.around[-1].indent >= indent:
            self.around.pop()
        section = [heading for _, heading in self.headings] + [each.text for each in self.around]
        box = _BOX.fullmatch(text)
        ticked = None if box is None else box[1] != " "
        self.around.append(
            _Item(indent, tuple(section), _one_line(box[2] if box else text), ticked)
        )
        self.items.append(self.around[-1])
        self.in_paragraph = True


def read_gates(document: str) -> tuple[Gate, ...]:
    """Return the gates of a document. Any text will do; one without gates has none.

    A number that comes twice is two gates, in the document's order; their lines never share an id.
    """
    taken: Counter[str] = Counter()
    return tuple(
        Gate(found.number, found.title, tuple(_lines(found, taken))) for found in _gates(document)
    )


def _gates(document: str) -> Iterator[_OpenGate]:
    gate: _OpenGate | None = None
    for text in _rendered_lines(document):
        heading = _HEADING.fullmatch(text)
        if heading is None:
            if gate is not None:
                gate.line(text)
            continue
        level, title = len(heading[1]), _heading_text(heading[2] or "")
        named = _GATE.fullmatch(title)
        if gate is not None and named is None and level > gate.level:
            gate.heading(level, title)
            continue
        if gate is not None:
            yield gate
        gate = None if named is None else _OpenGate(level, int(named[1]), named[2])
    if gate is not None:
        yield gate


def _heading_text(text: str) -> str:
    """Return the text of a heading without the `#` signs that may close it."""
    text = _one_line(text)
    opened = text.rstrip("#")
    return opened.rstrip() if opened[-1:] in ("", " ") else text


def _rendered_lines(document: str) -> Iterator[str]:
    """Give every line of a document, empty where a reader of the rendered one sees no text."""
    fence: str | None = None
    comment = False
    for raw in _LINE_END.split(document):
        text = raw.expandtabs(_TAB_WIDTH)
        mark = _FENCE.fullmatch(text)
        shown = ""
        if fence is not None:
            if mark is not None and mark[1].startswith(fence) and not mark[2].strip():
                fence = None
        elif comment or text.lstrip().startswith("<!--"):
            comment = "-->" not in text
        elif mark is not None and not (mark[1][0] == "`" and "`" in mark[2]):
            fence = mark[1]
        else:
            shown = text
        yield shown


def _lines(gate: _OpenGate, taken: Counter[str]) -> Iterator[ChecklistLine]:
    for item in gate.items:
        if item.ticked is None or not item.text:
            continue
        meaning = "\0".join((str(gate.number), *item.section, item.text))
        taken[meaning] += 1
        # The same line once more is told apart by its turn, so only its own kind can move it.
        digest = hashlib.sha256(f"{meaning}\0\0{taken[meaning]}".encode("utf-8", "surrogatepass"))
        yield ChecklistLine(
            id=f"gate{gate.number}-{digest.hexdigest()[:8]}",
            section=item.section,
            text=item.text,
            ticked=item.ticked,
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())
