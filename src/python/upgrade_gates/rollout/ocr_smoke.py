"""One page through `/v1/ocr`."""

from __future__ import annotations

import httpx

from upgrade_gates.context import Api
from upgrade_gates.engine import secret
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome

PATH = "/v1/ocr"
WORDS = "The quick brown fox jumps over the lazy dog"


def check_ocr(api: Api, *, seconds: float) -> Outcome:
    """Send a page with a text layer, and look for its words in the answer.

    Raises:
        ContextUnusable: the variable with the key is not set.
    """
    headers = {"Authorization": f"Bearer {secret(api.key_env)}"}
    files = {"file": ("page.pdf", one_page(WORDS), "application/pdf")}
    try:
        answer = httpx.post(f"{api.url}{PATH}", headers=headers, files=files, timeout=seconds)
    except httpx.HTTPError as error:
        return Outcome(Verdict.FAIL, f"{PATH} does not answer: {error}")
    if answer.status_code != httpx.codes.OK:
        return Outcome(
            Verdict.FAIL, f"{PATH} answers {answer.status_code}: {answer.text[:200]}", answer.text
        )
    if WORDS.split()[2] not in answer.text:
        return Outcome(Verdict.FAIL, "the words of the page are not in the answer", answer.text)
    return Outcome(Verdict.PASS, f"{PATH} finds the words of a page", answer.text)


def one_page(words: str) -> bytes:
    """Return a PDF of one A4 page with one line of text (ISO 32000-1, 7.5)."""
    content = f"BT /F1 18 Tf 60 760 Td ({words}) Tj ET".encode("ascii")
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)
