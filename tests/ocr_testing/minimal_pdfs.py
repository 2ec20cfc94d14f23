"""The smallest PDF files that have what makes documents hard: written object by object."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import reportlab  # type: ignore[import-untyped]

WIDTH, HEIGHT = 612, 792
BOX = (0, 0, WIDTH, HEIGHT)

_FONTS = (
    "/F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >> "
    "/F2 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >> "
    "/F3 << /Type /Font /Subtype /Type1 /BaseFont /Courier /Encoding /WinAnsiEncoding >>"
)
_FIRST_GLYPH = 36
"""In the font whose outlines are used, letters begin here."""
_SENTENCES = (
    "The committee met in the morning and talked about the budget of the coming year.",
    "It decided to ask the members for their opinion before the summer.",
    "Nobody objected to the plan, and so the secretary wrote a letter to all.",
)


class PdfObjects:
    """The objects of a file, numbered from 1 as they are added."""

    def __init__(self) -> None:
        self._objects: list[bytes] = []

    @property
    def next(self) -> int:
        """The number of the object that is added next."""
        return len(self._objects) + 1

    def add(self, content: str) -> int:
        """Add an object and return its number."""
        self._objects.append(content.encode("latin-1"))
        return len(self._objects)

    def stream(self, content: str | bytes, dictionary: str = "") -> int:
        """Add a stream and return its number."""
        data = content if isinstance(content, bytes) else content.encode("cp1252")
        head = f"<< {dictionary} /Length {len(data)} >>\nstream\n".encode()
        self._objects.append(head + data + b"\nendstream")
        return len(self._objects)

    def file(self, root: int) -> bytes:
        """Return the file."""
        content, places = b"%PDF-1.7\n", []
        for number, object_ in enumerate(self._objects, 1):
            places.append(len(content))
            content += b"%d 0 obj\n%b\nendobj\n" % (number, object_)
        table = b"".join(b"%010d 00000 n \n" % place for place in places)
        size = len(places) + 1
        end = b"trailer << /Size %d /Root %d 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        head = b"xref\n0 %d\n0000000000 65535 f \n" % size
        return content + head + table + end % (size, root, len(content))


def text(x: float, y: float, shown: str, size: float = 11, font: str = "F1") -> str:
    """Return the content that prints a line."""
    escaped = re.sub(r"([\\()])", r"\\\1", shown)
    return f"BT /{font} {size} Tf 1 0 0 1 {x} {y} Tm ({escaped}) Tj ET\n"


def rule(x1: float, y1: float, x2: float, y2: float) -> str:
    """Return the content that draws a line."""
    return f"{x1} {y1} m {x2} {y2} l S\n"


def prose(sentences: int = 3) -> str:
    """Return sentences as one text."""
    return " ".join(_SENTENCES[number % 3] for number in range(sentences))


def paragraph(x: float, y: float, sentences: int = 3, size: float = 11, letters: int = 80) -> str:
    """Return the content that prints sentences in lines of no more than so many letters."""
    lines, line = [], ""
    for word in prose(sentences).split():
        if len(line) + len(word) > letters:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
    lines.append(line)
    return "".join(
        text(x, y - number * size * 1.25, shown, size) for number, shown in enumerate(lines)
    )


def pdf(
    *pages: str,
    more: Callable[[PdfObjects], dict[str, int]] = lambda objects: {},
    catalog: str = "",
    page: str = "",
    resources: str = "",
    box: Sequence[int] = BOX,
) -> bytes:
    """Return a file.

    Args:
        pages: their content.
        more: adds further objects and returns their numbers by the names that the texts after it
            have in braces.
        catalog: what the file's catalog has besides.
        page: likewise, every page.
        resources: likewise, every page's resources.
        box: of every page.
    """
    objects = PdfObjects()
    names = more(objects)
    parent = objects.next + 2 * len(pages)
    kids = []
    for content in pages:
        stream = objects.stream(content)
        kids.append(
            objects.add(
                f"<< /Type /Page /Parent {parent} 0 R /MediaBox [{' '.join(map(str, box))}] "
                f"/Contents {stream} 0 R /Resources << /Font << {_FONTS} >> "
                f"{_filled(resources, names)} >> {_filled(page, names)} >>"
            )
        )
    references = " ".join(f"{kid} 0 R" for kid in kids)
    objects.add(f"<< /Type /Pages /Kids [{references}] /Count {len(kids)} >>")
    root = objects.add(f"<< /Type /Catalog /Pages {parent} 0 R {_filled(catalog, names)} >>")
    return objects.file(root)


def _filled(template: str, names: dict[str, int]) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: f"{names[match[1]]} 0 R", template)


def form(appearance: bool) -> bytes:
    """Return a form with a name and a box that is checked.

    Args:
        appearance: whether the file says how its values look, or leaves that to whoever shows it.
    """

    def fields(objects: PdfObjects) -> dict[str, int]:
        font = objects.add(
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
        )
        shown = ""
        if appearance:
            value = objects.stream(
                "/Tx BMC q BT /Helv 12 Tf 0 g 2 5 Td (Margaret Hamilton) Tj ET Q EMC",
                "/Type /XObject /Subtype /Form /BBox [0 0 200 20] "
                f"/Resources << /Font << /Helv {font} 0 R >> >>",
            )
            shown = f"/AP << /N {value} 0 R >>"
        name = objects.add(
            "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Margaret Hamilton) "
            f"/Rect [150 700 350 720] /F 4 /DA (/Helv 12 Tf 0 g) {shown} >>"
        )
        kind = "/Type /XObject /Subtype /Form /BBox [0 0 12 12]"
        on = objects.stream("0 0 m 12 12 l 0 12 m 12 0 l S", kind)
        off = objects.stream("", kind)
        boxes = [
            objects.add(
                f"<< /Type /Annot /Subtype /Widget /FT /Btn /T ({title}) /V /{state} /AS /{state} "
                f"/Rect [150 {y} 162 {y + 12}] /F 4 "
                f"/AP << /N << /Yes {on} 0 R /Off {off} 0 R >> >> >>"
            )
            for title, state, y in (("agree", "Yes", 670), ("letters", "Off", 640))
        ]
        return {"font": font, "name": name, "agree": boxes[0], "letters": boxes[1]}

    body = text(72, 705, "Full name:") + text(72, 672, "I agree:") + text(72, 642, "Send letters:")
    needs = "false" if appearance else "true"
    return pdf(
        body + paragraph(72, 560),
        more=fields,
        catalog="/AcroForm << /Fields [{name} {agree} {letters}] /DA (/Helv 12 Tf 0 g) "
        f"/NeedAppearances {needs} /DR << /Font << /Helv {{font}} >> >> >>",
        page="/Annots [{name} {agree} {letters}]",
    )


def annotated(annotation: str, content: str) -> bytes:
    """Return a page with one annotation."""
    return pdf(
        content,
        more=lambda objects: {"annotation": objects.add(annotation)},
        page="/Annots [{annotation}]",
    )


def with_picture(content: str, pixels: bytes, width: int, height: int) -> bytes:
    """Return a page whose content may paint the picture /I0, which is grey."""
    kind = (
        f"/Type /XObject /Subtype /Image /Width {width} /Height {height} "
        "/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /FlateDecode"
    )
    return pdf(
        content,
        more=lambda objects: {"picture": objects.stream(zlib.compress(pixels), kind)},
        resources="/XObject << /I0 {picture} >>",
    )


def composite(
    lines: Sequence[tuple[float, float, Sequence[str]]], size: float = 14, width: int = 550
) -> bytes:
    """Return a page in a font whose glyphs stand for what its ToUnicode table says.

    Args:
        lines: each with its place and its glyphs, given by what they stand for: one letter, or
            several for a ligature.
        width: of every glyph, in thousandths of the size.
    """
    glyphs: dict[str, int] = {}
    content = ""
    for x, y, line in lines:
        codes = "".join(
            f"{glyphs.setdefault(glyph, len(glyphs) + _FIRST_GLYPH):04X}" for glyph in line
        )
        content += f"BT /F9 {size} Tf 1 0 0 1 {x:.2f} {y} Tm <{codes}> Tj ET\n"

    objects = PdfObjects()
    reference = _composite_font(objects, glyphs, width)
    stream = objects.stream(content)
    parent = objects.next + 1
    page = objects.add(
        f"<< /Type /Page /Parent {parent} 0 R /MediaBox [{' '.join(map(str, BOX))}] "
        f"/Contents {stream} 0 R /Resources << /Font << /F9 {reference} 0 R >> >> >>"
    )
    objects.add(f"<< /Type /Pages /Kids [{page} 0 R] /Count 1 >>")
    return objects.file(objects.add(f"<< /Type /Catalog /Pages {parent} 0 R >>"))


def _composite_font(objects: PdfObjects, glyphs: dict[str, int], width: int) -> int:
    """Add a font and return its number.

    Its outlines are those of a Latin font, as a text layer has none to do with them: PDFium only
    leaves out what has no outline at all.
    """
    table = "\n".join(
        f"<{code:04X}> <{glyph.encode('utf-16-be').hex().upper()}>"
        for glyph, code in glyphs.items()
    )
    to_unicode = objects.stream(
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def "
        "/CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange "
        f"{len(glyphs)} beginbfchar\n{table}\nendbfchar endcmap end end"
    )
    outlines = Path(reportlab.__file__).with_name("fonts").joinpath("Vera.ttf").read_bytes()
    file = objects.stream(outlines, f"/Length1 {len(outlines)}")
    descriptor = objects.add(
        "<< /Type /FontDescriptor /FontName /Test /Flags 4 /FontBBox [0 -200 1000 900] "
        "/ItalicAngle 0 /Ascent 900 /Descent -200 /CapHeight 700 /StemV 80 "
        f"/FontFile2 {file} 0 R >>"
    )
    descendant = objects.add(
        "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Test /CIDSystemInfo << /Registry "
        "(Adobe) /Ordering (Identity) /Supplement 0 >> /CIDToGIDMap /Identity "
        f"/FontDescriptor {descriptor} 0 R /DW {width} >>"
    )
    return objects.add(
        "<< /Type /Font /Subtype /Type0 /BaseFont /Test /Encoding /Identity-H "
        f"/DescendantFonts [{descendant} 0 R] /ToUnicode {to_unicode} 0 R >>"
    )


def from_right(*lines: str, size: float = 14) -> bytes:
    """Return a page with lines of a script that runs from the right, as programs print them:
    glyph after glyph from the left, numbers as they are."""
    placed = []
    for number, line in enumerate(lines):
        printed = re.sub(r"\d+", lambda match: match[0][::-1], line[::-1])
        placed.append((540 - len(line) * 0.55 * size, 740 - 20 * number, printed))
    return composite(placed, size)


def downwards(*columns: str, size: float = 14) -> bytes:
    """Return a page with columns of letters below each other, the first at the right."""
    placed = [
        (520 - 24 * column, 740 - size * row, letter)
        for column, letters in enumerate(columns)
        for row, letter in enumerate(letters)
    ]
    return composite(placed, size, width=1000)
