"""Documents that are hard by their layout: forms, scripts from the right, columns, spans."""

from __future__ import annotations

import io
from random import Random

from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]

from ocr_benchmark.case import Case
from ocr_benchmark.scanning import jpeg, rendered
from ocr_benchmark.texts import PLACES, SENTENCES, passage
from ocr_benchmark.typesetting import HEIGHT, Setting, pictures

_FROM_RIGHT = {
    "heb": (
        "הוועדה נפגשה באביב כדי לדון בנמל הישן",
        "המהנדסים מדדו את העומק ב 40 נקודות",
        "איש לא התנגד לתוכנית ורבים שאלו מי ישלם",
        "הדוח הבא צפוי באוקטובר ויכלול שרטוטים",
    ),
    "ara": (
        "اجتمعت اللجنة في الربيع لبحث ترميم الميناء القديم",
        "قاس المهندسون العمق في 40 نقطة وقارنوا الأرقام",
        "لم يعترض أحد على الخطة وسأل كثيرون من سيدفع",
        "يصدر التقرير التالي في تشرين الأول مع الرسوم",
    ),
}
_LINE = 20.0
_NAMES = ("Ada Example", "Margaret Hamilton", "Grace Muster", "Alan Sample")


def forms(random: Random) -> list[Case]:
    """Return forms whose values lie over their pages."""
    return [_form(random, number) for number in range(3)]


def _form(random: Random, number: int) -> Case:
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setFont("Helvetica", 11)
    values, truth = [], []
    fields = (("Name", random.choice(_NAMES)), ("Town", random.choice(PLACES)), ("Year", "1911"))
    for row, (label, value) in enumerate(fields):
        y = HEIGHT - 120 - 40 * row
        canvas.drawString(70, y, f"{label}:")
        canvas.acroForm.textfield(
            name=f"{label}{number}", value=value, x=180, y=y - 5, width=200, height=20, fontSize=11
        )
        values.append(value)
        truth.append(f"{label}: {value}")
    for row, checked in enumerate((True, False)):
        y = HEIGHT - 260 - 40 * row
        canvas.drawString(70, y, f"Question {row + 1}:")
        canvas.acroForm.checkbox(
            name=f"box{number}.{row}", checked=checked, x=180, y=y - 3, size=14
        )
        truth.append(f"Question {row + 1}: [{'x' if checked else ' '}]")
    canvas.showPage()
    canvas.save()
    return Case(f"form {number}", file.getvalue(), " ".join(truth), [], values=tuple(values))


def from_right(random: Random) -> list[Case]:
    """Return pages in Hebrew and Arabic, printed by the line and by the word."""
    cases = []
    for language, sentences in _FROM_RIGHT.items():
        texts = random.sample(sentences, len(sentences))
        for words in (False, True):
            how = "words" if words else "lines"
            pdf = _printed_from_right(texts, words)
            cases.append(Case(f"{language}, {how}", pdf, " ".join(texts), [], language))
    return cases


def _printed_from_right(texts: list[str], words: bool) -> bytes:
    Setting("DejaVu Sans")  # registers the font
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setFont("DejaVu Sans", 12)
    for row, text in enumerate(texts):
        right, y = 520.0, HEIGHT - 100 - _LINE * row
        for piece in text.split() if words else [text]:
            shown = " ".join(_mirrored(word) for word in reversed(piece.split()))
            canvas.drawRightString(right, y, shown)
            right -= pdfmetrics.stringWidth(shown + " ", "DejaVu Sans", 12)
    canvas.showPage()
    canvas.save()
    return file.getvalue()


def _mirrored(word: str) -> str:
    return word if word.isdigit() else word[::-1]


def vertical(random: Random) -> list[Case]:
    """Return pages whose lines run downwards, the first at the right."""
    cases = []
    Setting("WenQuanYi Micro Hei")
    for number in range(2):
        columns = random.sample(SENTENCES["chi_sim"], 5)
        file = io.BytesIO()
        canvas = Canvas(file, pagesize=A4, invariant=1)
        canvas.setFont("WenQuanYi Micro Hei", 12)
        for column, text in enumerate(columns):
            for row, letter in enumerate(text):
                canvas.drawString(480 - 22 * column, HEIGHT - 80 - 13 * row, letter)
        canvas.showPage()
        canvas.save()
        cases.append(Case(f"{number}", file.getvalue(), "".join(columns), [], "chi_sim_vert"))
    return cases


def narrow_gutters(random: Random) -> list[Case]:
    """Return scans of two columns that nearly touch."""
    cases = []
    for font, gutter in (("Liberation Serif", 7.0), ("DejaVu Sans", 9.0), ("FreeSerif", 8.0)):
        setting = Setting(font, justified=True)
        # Enough for both columns of a page: one column alone has no gutter.
        for _ in range(7):
            setting.paragraph(passage(random, "eng", 7))
        pages = [jpeg(page) for page in rendered(setting.pdf(2, gutter=gutter), 150)]
        cases.append(Case(font, pictures(pages), " ".join(setting.truth), []))
    return cases


def spanning_heads(random: Random) -> list[Case]:
    """Return tables without rules whose heads span columns."""
    return [_table(random, f"open {number}", ruled=False) for number in range(3)]


def partial_rules(random: Random) -> list[Case]:
    """Return tables with upright lines in their heads only."""
    return [_table(random, f"ruled {number}", ruled=True) for number in range(3)]


def _table(random: Random, name: str, ruled: bool) -> Case:
    rows = [["Place", "1911", "1998", "1911", "1998"]]
    rows += [
        [place, *(f"{random.uniform(1, 90):.1f}" for _ in range(4))]
        for place in random.sample(PLACES, 5)
    ]
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, invariant=1)
    canvas.setFont("Helvetica", 10)
    lefts, top = (72, 190, 260, 330, 400), HEIGHT - 120
    head = ["", "Depth in metres", "", "Width in metres", ""]
    if not ruled:
        canvas.drawString(195, top + 18, head[1])
        canvas.drawString(335, top + 18, head[3])
    for number, row in enumerate(rows):
        y = top - 18 * number
        for left, cell in zip(lefts, row, strict=True):
            canvas.drawString(left, y, cell)
        if ruled:
            canvas.line(66, y - 5, 470, y - 5)
    if ruled:
        canvas.line(66, top + 13, 470, top + 13)
        for x in (66, *(left - 6 for left in lefts[1:]), 470):
            canvas.line(x, top + 13, x, top - 5)
    canvas.showPage()
    canvas.save()
    table = rows if ruled else [head, *rows]
    truth = " ".join(cell for row in table for cell in row if cell)
    return Case(name, file.getvalue(), truth, [table])
