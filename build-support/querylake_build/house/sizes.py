"""How long functions and modules are, how many comments they have, and how many tests there are."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Lengths:
    """The lines of functions or modules.

    Attributes:
        median: half of them are no longer.
        p90: nine of ten are no longer.
    """

    count: int
    median: int
    p90: int
    longest: int

    @classmethod
    def of(cls, lines: Iterable[int]) -> Lengths:
        """Return what there is to say of these lengths."""
        ordered = sorted(lines) or [0]
        # The nearest rank, so that every figure is the length of something that exists.
        return cls(
            count=len(ordered),
            median=ordered[(len(ordered) - 1) // 2],
            p90=ordered[(9 * len(ordered) + 9) // 10 - 1],
            longest=ordered[-1],
        )


def sources(folder: Path) -> list[Path]:
    """Return the Python files below a folder, in order."""
    return sorted(folder.rglob("*.py"))


def lines_of(file: Path) -> int:
    """Return how many lines a file has."""
    return file.read_text(encoding="utf-8").count("\n")


def function_lengths(files: Iterable[Path]) -> Lengths:
    """Return the lengths of all functions and methods, from `def` to their last line."""
    return Lengths.of(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def module_lengths(files: Iterable[Path]) -> Lengths:
    """Return the lengths of modules that hold more than a docstring."""
    return Lengths.of(lines for file in files if (lines := lines_of(file)) > 1)


def comments_in_1000_lines(files: Iterable[Path]) -> int:
    """Return how many lines of a thousand have a comment; directives to tools are none."""
    lines = comments = 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        lines += text.count("\n")
        comments += sum(_is_comment(token) for token in _tokens(text))
    return round(1000 * comments / max(lines, 1))


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(text).readline)


def _is_comment(token: tokenize.TokenInfo) -> bool:
    directives = ("# type:", "# noqa", "#!", "# mypy", "# compiled:", "# interpreted:")
    return token.type == tokenize.COMMENT and not token.string.startswith(directives)


def count_tests(folder: Path) -> int:
    """Return how many test functions stand below a folder; one with parameters is one."""
    return sum(
        node.name.startswith("test_")
        for file in folder.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
