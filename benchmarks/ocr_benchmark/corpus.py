"""The documents of the benchmark, by class; the same ones every time."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from random import Random

from PIL import Image
from reportlab.lib.utils import ImageReader  # type: ignore[import-untyped]
from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
from reportlab.platypus import Image as Flowable  # type: ignore[import-untyped]

from ocr_benchmark import layouts
from ocr_benchmark.case import Case
from ocr_benchmark.office import office_cases
from ocr_benchmark.scanning import jpeg, noisy, rendered, skewed
from ocr_benchmark.texts import HEADINGS, ITEMS, figures, passage
from ocr_benchmark.typesetting import HEIGHT, WIDTH, Setting, pictures, with_wrong_letters

LATIN_FONTS = ("Liberation Serif", "Liberation Sans", "DejaVu Sans", "FreeSerif", "Noto Sans")


def _article(random: Random, font: str, columns: int = 1, language: str = "eng") -> Setting:
    setting = Setting(font)
    english = language == "eng"
    if english:
        setting.heading(random.choice(HEADINGS))
    for part in range(2 * columns):
        setting.paragraph(passage(random, language, 6))
        if part == 1 and english:
            for text in random.sample(ITEMS, 3):
                setting.item(text)
        if part == 0 and english:
            setting.heading(random.choice(HEADINGS), 1.35)
        if part == 2 and english:
            setting.table(figures(random, 4), ruled=True)
    return setting


def _case(name: str, setting: Setting, pdf: bytes, languages: str = "eng") -> Case:
    return Case(name, pdf, " ".join(setting.truth), setting.tables, languages)


def _text_one_column(random: Random) -> list[Case]:
    settings = [_article(random, font) for font in LATIN_FONTS]
    return [_case(setting.font, setting, setting.pdf()) for setting in settings]


def _text_two_columns(random: Random) -> list[Case]:
    settings = [_article(random, font, columns=2) for font in LATIN_FONTS]
    return [_case(setting.font, setting, setting.pdf(2)) for setting in settings]


def _tables(random: Random, ruled: bool) -> list[Setting]:
    settings = []
    for font in LATIN_FONTS[:3]:
        setting = Setting(font)
        for rows in (4, 6, 5):
            setting.paragraph(passage(random, "eng", 2))
            setting.table(figures(random, rows), ruled)
        settings.append(setting)
    return settings


def _text_tables(random: Random) -> list[Case]:
    return [
        _case(f"{setting.font}, {'ruled' if ruled else 'open'}", setting, setting.pdf())
        for ruled in (True, False)
        for setting in _tables(random, ruled)
    ]


def _scan_tables(random: Random) -> list[Case]:
    return [
        _scanned(f"{setting.font}, {'ruled' if ruled else 'open'}", setting, setting.pdf())
        for ruled in (True, False)
        for setting in _tables(random, ruled)[:2]
    ]


def _scanned(
    name: str,
    setting: Setting,
    pdf: bytes,
    change: Callable[[Image.Image], Image.Image] = lambda image: image,
    dpi: int = 200,
    languages: str = "eng",
) -> Case:
    pages = [jpeg(change(image)) for image in rendered(pdf, dpi)]
    return _case(name, setting, pictures(pages), languages)


def _scan_clean(random: Random) -> list[Case]:
    settings = [_article(random, font) for font in (*LATIN_FONTS, "Liberation Mono")]
    return [_scanned(setting.font, setting, setting.pdf()) for setting in settings]


def _scan_two_columns(random: Random) -> list[Case]:
    settings = [_article(random, font, columns=2) for font in LATIN_FONTS[:3]]
    return [_scanned(setting.font, setting, setting.pdf(2)) for setting in settings]


def _scan_noisy(random: Random) -> list[Case]:
    settings = [_article(random, font) for font in LATIN_FONTS[:3]]
    return [
        _scanned(setting.font, setting, setting.pdf(), lambda image: noisy(image, random))
        for setting in settings
    ]


def _scan_skewed(random: Random) -> list[Case]:
    cases = []
    for font, degrees in zip(LATIN_FONTS, (1.5, -2.5, 4.0), strict=False):
        setting = _article(random, font, columns=2)
        pdf = setting.pdf(2)
        cases.append(_scanned(f"{degrees} degrees", setting, pdf, partial(skewed, degrees=degrees)))
    return cases


def _scan_turned(random: Random) -> list[Case]:
    cases = []
    for font, degrees in zip(LATIN_FONTS, (90, 180, 270), strict=False):
        setting = _article(random, font)
        images = [image.rotate(degrees, expand=True) for image in rendered(setting.pdf(), 200)]
        file = io.BytesIO()
        sides = (HEIGHT, WIDTH) if degrees % 180 else (WIDTH, HEIGHT)
        canvas = Canvas(file, pagesize=sides, invariant=1)
        for image in images:
            canvas.drawImage(ImageReader(io.BytesIO(jpeg(image))), 0, 0, *sides)
            canvas.showPage()
        canvas.save()
        cases.append(_case(f"{degrees} degrees", setting, file.getvalue()))
    return cases


def _scan_coarse(random: Random) -> list[Case]:
    settings = [_article(random, font) for font in LATIN_FONTS[:3]]
    return [
        _scanned(f"{setting.font}, 100 dpi", setting, setting.pdf(), dpi=100)
        for setting in settings
    ]


def _scan_languages(random: Random) -> list[Case]:
    cases = []
    for language, font in (
        ("deu", "Liberation Serif"),
        ("fra", "Noto Sans"),
        ("spa", "DejaVu Sans"),
        ("chi_sim", "WenQuanYi Micro Hei"),
    ):
        setting = _article(random, font, language=language)
        cases.append(_scanned(language, setting, setting.pdf(), languages=language))
    return cases


def _mixed(random: Random) -> list[Case]:
    """Pages with text, and a scan of more text below it."""
    cases = []
    for font in LATIN_FONTS[:3]:
        above, below = Setting(font), Setting(font)
        for setting in (above, below):
            setting.paragraph(passage(random, "eng", 8))
        picture = rendered(below.pdf(), 200)[0]
        picture = picture.crop((0, 0, picture.width, picture.height // 3))
        above.flow.append(_picture_flowable(picture))
        above.truth += below.truth
        cases.append(_case(font, above, above.pdf()))
    return cases


def _picture_flowable(picture: Image.Image) -> object:
    width = WIDTH - 114
    return Flowable(io.BytesIO(jpeg(picture)), width, width * picture.height / picture.width)


def _garbage(random: Random) -> list[Case]:
    """Pages whose fonts say that they have other letters than they show."""
    settings = [_article(random, font) for font in LATIN_FONTS[:3]]
    return [
        _case(setting.font, setting, with_wrong_letters(setting.pdf(compressed=False)))
        for setting in settings
    ]


CLASSES: dict[str, Callable[[Random], list[Case]]] = {
    "text, one column": _text_one_column,
    "text, two columns": _text_two_columns,
    "text, tables": _text_tables,
    "text and scans mixed": _mixed,
    "text layer that lies": _garbage,
    "scan, clean": _scan_clean,
    "scan, two columns": _scan_two_columns,
    "scan, tables": _scan_tables,
    "scan, noisy": _scan_noisy,
    "scan, skewed": _scan_skewed,
    "scan, turned": _scan_turned,
    "scan, 100 dpi": _scan_coarse,
    "scan, languages": _scan_languages,
    "office formats": office_cases,
    "forms": layouts.forms,
    "right-to-left": layouts.from_right,
    "vertical": layouts.vertical,
    "scan, narrow gutters": layouts.narrow_gutters,
    "tables, spanning heads": layouts.spanning_heads,
    "tables, partial rules": layouts.partial_rules,
}


def cases_of(name: str) -> list[Case]:
    """Return the documents of a class."""
    return CLASSES[name](Random(name))
