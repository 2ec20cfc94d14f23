"""Text of optional content (layers of a drawing, drafts) that is switched off.

PDFium shows or hides such content when it renders a page, and tells nobody which it does. So a
group is taken out of the page and the page rendered again: if nothing changes, it is not shown.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict

import numpy as np
import pypdfium2  # type: ignore[import-untyped]
import pypdfium2.raw as pdfium  # type: ignore[import-untyped]
from numpy.typing import NDArray

_OPTIONAL = "OC"
"""The name of marked content that belongs to an optional content group (ISO 32000-1, 8.11.3.2)."""
_MOST_GROUPS = 32
_LONGEST_SIDE = 600
"""Pixels of a rendering that shows whether anything changes."""
_NAME = 128


def switched_off(page: pypdfium2.PdfPage) -> frozenset[int]:
    """Return the addresses of the text objects of a page that are switched off."""
    groups: dict[str, list[pypdfium2.PdfObject]] = defaultdict(list)
    for shape in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=3):
        name = _group_of(shape.raw)
        if name is not None:
            groups[name].append(shape)
    if not groups or len(groups) > _MOST_GROUPS:
        return frozenset()
    whole = _rendered(page)
    hidden: set[int] = set()
    for shapes in groups.values():
        for shape in shapes:
            pdfium.FPDFPageObj_SetIsActive(shape.raw, False)
        same = np.array_equal(_rendered(page), whole)
        for shape in shapes:
            pdfium.FPDFPageObj_SetIsActive(shape.raw, True)
        if same:
            hidden.update(ctypes.addressof(shape.raw.contents) for shape in shapes)
    return frozenset(hidden)


def is_optional(shape: object) -> bool:
    """Return whether an object belongs to any group that can be switched off."""
    return _group_of(shape) is not None


def _group_of(shape: object) -> str | None:
    """Return the name of the group that an object belongs to; None if it belongs to none."""
    for index in range(pdfium.FPDFPageObj_CountMarks(shape)):
        mark = pdfium.FPDFPageObj_GetMark(shape, index)
        if _text(pdfium.FPDFPageObjMark_GetName, mark) == _OPTIONAL:
            return _text(pdfium.FPDFPageObjMark_GetParamStringValue, mark, b"Name")
    return None


def _text(function: object, *arguments: object) -> str:
    buffer = ctypes.create_string_buffer(_NAME)
    length = ctypes.c_ulong()
    wide = ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR))
    function(*arguments, wide, _NAME, length)  # type: ignore[operator]
    return buffer.raw[: max(0, length.value - 2)].decode("utf-16-le", "replace")


def _rendered(page: pypdfium2.PdfPage) -> NDArray[np.uint8]:
    scale = _LONGEST_SIDE / max(page.get_size())
    bitmap = page.render(scale=scale, draw_annots=False, may_draw_forms=False)
    return np.array(bitmap.to_numpy(), dtype=np.uint8)
