"""The largest object that several modules write to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Blackboard:
    """A class whose attributes are assigned outside the module that defines it.

    Attributes:
        name: of the class; empty if there is none that more than one module writes.
        attributes: how many of them its instances have.
        writers: other modules that assign to one.
    """

    name: str = ""
    attributes: int = 0
    writers: int = 0


def largest_blackboard(files: Iterable[Path]) -> Blackboard:
    """Return the class with the most attributes among those that at least two others write.

    A module writes to a class if it assigns to an attribute of that name on something that is
    called by the last word of the class's name, as `record.status = 200` is for `RequestRecord`, or
    that is annotated with it.
    """
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    writes = {file: frozenset(_writes(tree)) for file, tree in trees.items()}
    boards = [
        Blackboard(node.name, len(attributes), len(_writers(node.name, attributes, file, writes)))
        for file, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and (attributes := _attributes(node))
    ]
    written = [board for board in boards if board.writers > 1]
    return max(written, key=lambda board: board.attributes, default=Blackboard())


def _attributes(node: ast.ClassDef) -> frozenset[str]:
    """Return the names that a class annotates in its body, or its methods assign on `self`."""
    annotated = {
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
    }
    assigned = {
        target.attr
        for target in _targets(node)
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }
    return frozenset(annotated | assigned)


def _writers(
    name: str,
    attributes: frozenset[str],
    home: Path,
    writes: Mapping[Path, frozenset[tuple[str, str]]],
) -> list[Path]:
    last_word = re.findall(r"[A-Z][a-z0-9]*|[A-Z]+", name)
    called = {name, last_word[-1].lower()} if last_word else {name}
    return [
        file
        for file, pairs in writes.items()
        if file != home and any(who in called and what in attributes for who, what in pairs)
    ]


def _writes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the object, by its name and by the class it is annotated with, and the attribute."""
    annotations = {
        argument.arg: argument.annotation.id
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if isinstance(argument.annotation, ast.Name)
    }
    for target in _targets(tree):
        value = target.value
        if isinstance(value, ast.Name) and value.id != "self":
            yield value.id, target.attr
            yield annotations.get(value.id, ""), target.attr
        elif isinstance(value, ast.Attribute):
            yield value.attr.lstrip("_"), target.attr


def _targets(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Yield the attributes that are assigned to anywhere in a tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node
