"""Numbers as a sheet shows them, as far as their meaning goes: dates, percentages, decimals."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ocr.formats.xml import Element, attribute, child, children

_BUILT_IN = {
    1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm", 19: "h:mm:ss",
    20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0", 38: "#,##0", 39: "#,##0.00",
    40: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
}  # fmt: skip
"""Formats that files do not spell out (ISO/IEC 29500-1, 18.8.30)."""

_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.I)
_CURRENCY = re.compile(r"\[\$([^\]-]*)(?:-[^\]]*)?\]|([$€£¥])")
_EPOCH = datetime(1899, 12, 30)
_EPOCH_1904 = datetime(1904, 1, 1)
_LAST_DAY = 2_958_466
"""Of the year 9999: dates end there."""


class NumberFormats:
    """How the cells of one workbook are shown, by the number of their style."""

    def __init__(self, styles: Element | None, *, since_1904: bool) -> None:
        own = {
            attribute(found, "numFmtId"): attribute(found, "formatCode")
            for found in children(child(styles, "numFmts"), "numFmt")
        }
        self._formats = [
            own.get(name) or (_BUILT_IN.get(int(name), "") if name.isdecimal() else "")
            for name in (
                attribute(found, "numFmtId", "0")
                for found in children(child(styles, "cellXfs"), "xf")
            )
        ]
        self._epoch = _EPOCH_1904 if since_1904 else _EPOCH

    def shown(self, value: str, style: str) -> str:
        """Return a number as it is shown; as it is stored where its format is not understood."""
        index = int(style) if style.isdecimal() and len(style) < 7 else 0
        format = self._formats[index] if index < len(self._formats) else ""
        try:
            number = float(value)
        except ValueError:
            return value
        if not format or format == "General" or format == "@":
            return plain(number, value)
        return self._formatted(number, value, format.split(";")[0])

    def _formatted(self, number: float, value: str, format: str) -> str:
        currency = _CURRENCY.search(format)
        code = _LITERAL.sub("", format)
        if re.search(r"[dmyhs]", code, re.I) and not re.search(r"[0#]", code.replace(".0", "")):
            return self._moment(number, code) or plain(number, value)
        decimals = len(match[1]) if (match := re.search(r"\.(0+)", code)) else 0
        if "%" in code:
            return f"{number * 100:.{decimals}f}%"
        if not re.search(r"[0#]", code) or "E" in code.upper() or "/" in code or abs(number) > 1e15:
            return plain(number, value)
        if "#" in code.partition(".")[2]:
            shown = plain(number, value)
        else:
            shown = f"{number:,.{decimals}f}" if "," in code else f"{number:.{decimals}f}"
        sign = (currency[1] or currency[2] or "") if currency else ""
        first = re.search(r"[0#]", _LITERAL.sub(lambda found: " " * len(found[0]), format))
        if currency and first and currency.start() < first.start():
            return f"{sign}{shown}"
        return f"{shown} {sign}".rstrip()

    def _moment(self, number: float, code: str) -> str:
        if not 0 <= number < _LAST_DAY:
            return ""
        seconds = round(number * 86_400)
        if "[" in code:  # a duration
            hours, rest = divmod(seconds, 3_600)
            return f"{hours}:{rest // 60:02}:{rest % 60:02}"
        moment = self._epoch + timedelta(seconds=seconds)
        has_day, has_time = re.search("[dy]", code, re.I), re.search("[hs]", code, re.I)
        if not has_day and has_time:
            return moment.strftime("%H:%M:%S" if "s" in code.lower() else "%H:%M")
        time = moment.strftime(" %H:%M:%S" if "s" in code.lower() else " %H:%M") if has_time else ""
        return f"{moment.year:04}-{moment.month:02}-{moment.day:02}{time}"


def plain(number: float, value: str) -> str:
    """Return a number without the noise of binary fractions: 0.1, not 0.10000000000000001."""
    if number.is_integer() and abs(number) < 1e15:
        return str(int(number))
    shown = f"{number:.15g}"
    return value if "e" in shown or "n" in shown else shown
