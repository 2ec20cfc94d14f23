"""The figures of a chart, as a table: categories down, series across (DrawingML charts)."""

from __future__ import annotations

from ocr.formats.xml import Element, attribute, child, children, descendants

_MOST_POINTS = 10_000
"""Of a series. Points are numbered, and a number is no reason to make as many rows."""


def chart_title(chart: Element) -> str:
    """Return the title of a chart; empty if it has none."""
    title = child(chart, "chart", "title")
    return " ".join(found.text or "" for found in descendants(title, "t")).strip()


def chart_rows(chart: Element) -> list[list[str]]:
    """Return a row for each category."""
    names: list[str] = []
    columns: list[dict[int, str]] = []
    categories: dict[int, str] = {}
    for series in descendants(chart, "ser"):
        names.append(" ".join(_points(child(series, "tx")).values()))
        columns.append(_points(child(series, "val")) or _points(child(series, "yVal")))
        categories = {
            **_points(child(series, "cat")),
            **_points(child(series, "xVal")),
            **categories,
        }
    places = sorted({*categories, *(place for column in columns for place in column)})
    head = ["", *names]
    return [head] + [
        [categories.get(place, ""), *(column.get(place, "") for column in columns)]
        for place in places
    ]


def _points(element: Element | None) -> dict[int, str]:
    points: dict[int, str] = {}
    for point in descendants(element, "pt"):
        index = attribute(point, "idx")
        value = child(point, "v")
        if index.isdecimal() and len(points) < _MOST_POINTS and value is not None:
            points[int(index)] = value.text or ""
    if not points and element is not None:
        # A name that is written out, and not taken from a sheet.
        for value in children(element, "v"):
            points[0] = value.text or ""
    return points
