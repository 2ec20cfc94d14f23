"""Damages documents and converts them: `python -m ocr_testing.fuzzing SEED COUNT`.

A program of its own, because what it looks for includes crashes of C libraries. It prints the
number of what it is about to convert, so that a crash or a hang can be repeated.
"""

from __future__ import annotations

import faulthandler
import io
import sys
import time
import zipfile
from base64 import b64decode
from collections import Counter
from random import Random

import numpy as np
from PIL import Image

from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions, Limits
from ocr.deadline import Deadline
from ocr.engines.engine import LinesReading, Pixels
from ocr.errors import DocumentRefused
from ocr.formats.text_formats import TextFormat
from ocr_testing.compound import compound
from ocr_testing.heic import HEIC
from ocr_testing.office import book, repacked, sheets, slides, word
from ocr_testing.pages import HARBOUR, drawn, lines, paragraph, pictured, set_in_columns, table

_SLOWEST = 20.0
"""Seconds that no document of this size may take."""


class SeesNothing:
    """An engine that finds no text, so that only documents are tested, and fast."""

    name = "nothing"
    whole_pages = False
    alphabet = None

    def read(self, image: Pixels, deadline: Deadline) -> LinesReading:
        """Return an empty page."""
        height, width = image.shape[:2]
        return LinesReading((), width, height, 0, 0.0, image)

    def close(self) -> None:
        """Nothing is held."""


def documents() -> list[bytes]:
    """Return one undamaged document of every kind."""
    picture = Image.fromarray(np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3))
    rows = [["Place", "Depth"], ["Pier", "3.4"]]
    found = [
        set_in_columns([paragraph(HARBOUR), table(rows), paragraph(HARBOUR)], columns=2),
        drawn(lines(HARBOUR), pictured(picture, 50, 50, 300), encrypt="", pageCompression=0),
        drawn(lines(HARBOUR), pictured(picture, 50, 50, 300), pageCompression=0),
    ]
    for format in ("PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP", "JPEG2000", "AVIF"):
        file = io.BytesIO()
        several = {"save_all": True, "append_images": [picture]} if format == "TIFF" else {}
        picture.save(file, format, **several)
        found.append(file.getvalue())
    return [*found, b64decode(HEIC), *written()]


def written() -> list[bytes]:
    """Return one undamaged document of every format that brings its own text."""
    page = b"<h1>Title</h1><ul><li>One<li>Two</ul><table><tr><td>a<td>b</table>"
    message = b"From: a@b.c\r\nTo: d@e.f\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
    outlook = {"__properties_version1.0": b"", "__substg1.0_1000001F": "text".encode("utf-16-le")}
    return [
        word(),
        slides(),
        sheets(),
        book({"a.xhtml": b"<html xmlns='x'><body>" + page[:14] + b"</body></html>"}),
        b"<!DOCTYPE html><html><body>" + page,
        message + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ntext\r\n--x--\r\n",
        compound(outlook),
        b"# Title\n\n- item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        b'place,depth\n"North pier",3.4\n' * 20,
    ]


SAID: tuple[TextFormat | None, ...] = (None, None, "text", "markdown", "csv", "html", "eml")


def damaged_inside(content: bytes, random: Random) -> bytes:
    """Return an archive of which one part is damaged, and the archive itself is not."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        name = random.choice(names)
        return repacked(content, {name: damaged(archive.read(name), random)})


def damaged(content: bytes, random: Random) -> bytes:
    """Return a document with some bytes changed, lost, doubled, or with a number made huge."""
    data = bytearray(content)
    for _ in range(random.choice((1, 2, 4, 16))):
        place = random.randrange(len(data)) if data else 0
        end = place + random.choice((1, 2, 8, 64, 512))
        match random.randrange(6):
            case 0:
                data[place:end] = random.randbytes(len(data[place:end]))
            case 1:
                del data[place:end]
            case 2:
                data[place:place] = data[place:end]
            case 3:
                del data[place:]
            case 4:
                data[place:end] = random.choice((b"\xff", b"\0", b"9", b"<<", b"0 R")) * 4
            case 5:
                digits = [i for i, byte in enumerate(data) if 0x30 <= byte <= 0x39]
                if digits:
                    at = random.choice(digits)
                    data[at : at + 1] = random.choice((b"-1", b"99999999", b"0", b"1e30"))
    return bytes(data)


def main() -> None:
    """Convert damaged documents; an exception that is not a refusal ends with its traceback."""
    faulthandler.enable()
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    originals = documents()
    limits = Limits(pages=50, pixels=4_000_000, seconds=10)
    outcomes: Counter[str] = Counter()
    for number in range(seed, seed + count):
        random = Random(number)
        original = originals[number % len(originals)]
        inside = original.startswith(b"PK") and random.random() < 0.8
        content = (damaged_inside if inside else damaged)(original, random)
        print(f"{number}", end=" ", flush=True)
        started = time.monotonic()
        options = ConversionOptions(dpi=50, limits=limits, text_format=random.choice(SAID))
        try:
            result = assemble(list(convert(content, options, SeesNothing())), "nothing")
            outcomes[result.status] += 1
        except DocumentRefused as error:
            outcomes[error.code] += 1
        if time.monotonic() - started > _SLOWEST:
            sys.exit(f"\ndocument {number} took {time.monotonic() - started:.1f} s")
    print(f"\n{dict(outcomes)}")


if __name__ == "__main__":
    main()
