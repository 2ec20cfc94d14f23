"""The API's metrics, read from the calls that declare them.

Most are declared where what they report on is started, which needs a database and engines. Their
names, labels and help are constants.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reference_pages.metrics_page import Metric

_KINDS = {"counter": "counter", "gauge": "gauge", "_histogram": "histogram"}


def declared_metrics(package: Path) -> list[Metric]:
    """Return the metrics that the modules below a folder declare and expose."""
    return [
        metric
        for path in sorted(package.rglob("*.py"))
        for metric in _declared(ast.parse(path.read_text(encoding="utf-8")))
    ]


def _declared(module: ast.Module) -> Iterator[Metric]:
    constants = dict(_constants(module))
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            kind = _KINDS.get(node.func.attr)
            words = list(_words(node.args, constants)) if kind else []
            if kind and words and words[0].startswith("querylake_") and not _is_hidden(node):
                yield _metric(kind, words)


def _metric(kind: str, words: list[str]) -> Metric:
    name, help, *labels = words
    return Metric(f"{name}_total" if kind == "counter" else name, kind, tuple(labels), help)


def _words(arguments: list[ast.expr], constants: Mapping[str, Any]) -> Iterator[str]:
    """Give the texts among the arguments of a call, in their order."""
    for each in arguments:
        inner = each.value if isinstance(each, ast.Starred) else each
        if isinstance(inner, ast.Name):
            value = constants.get(inner.id) if isinstance(each, ast.Starred) else None
        else:
            value = _literal(inner)
        if isinstance(value, str):
            yield value
        elif isinstance(value, tuple) and isinstance(each, ast.Starred):
            yield from value


def _is_hidden(call: ast.Call) -> bool:
    return any(each.arg == "exposed" and _literal(each.value) is False for each in call.keywords)


def _constants(module: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in module.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, _literal(node.value)


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
