"""What sources import, in every form that an import can take.

Pants infers dependencies from plain imports. It looks past several modules on one line, imports
that are guarded by `try`, and modules that are named by a string; and a comment tells it to look
away. Those are exactly the forms in which an engine would slip into the API.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from querylake_build.boundaries.policy import Policy, Violation

RULE = "sources"

_IMPORTERS = frozenset(
    {"__import__", "import_module", "run_module", "resolve_name", "find_spec", "find_loader"}
)
_IMPORTER_HOMES = frozenset({"importlib", "importlib.util", "runpy", "pkgutil", "builtins"})
_RUNS_TEXT = frozenset({"exec", "eval"})
_LOOK_AWAY = "pants: no-infer-dep"


@dataclass(frozen=True)
class Import:
    """A module that a source asks for.

    Attributes:
        module: its full name; None if only running the code would tell.
        form: how it is asked for, for the reader of a report.
    """

    module: str | None
    line: int
    form: str


def check_sources(repository: Path, policy: Policy) -> tuple[list[Violation], str]:
    """Check every Python file of the repository; also return one clause on what was looked at."""
    source_root = repository / "src" / "python"
    packages = frozenset(each.name for each in source_root.iterdir() if each.is_dir())
    violations: list[Violation] = []
    count = 0
    for root in (source_root, repository / "tests", repository / "build-support"):
        for file in sorted(root.rglob("*.py")):
            count += 1
            package = file.relative_to(root).parts[0].removesuffix("_testing")
            ours = root == source_root
            forbidden = _Forbidden(
                engines=policy.engines_for(package),
                applications=packages - policy.shared - {package} if ours else frozenset(),
                test_tools=policy.test_tools.modules if ours else frozenset(),
            )
            violations += _check(file, repository, forbidden)
    return violations, f"{count} files"


@dataclass(frozen=True)
class _Forbidden:
    """Top-level modules that a file must not import."""

    engines: frozenset[str]
    applications: frozenset[str]
    test_tools: frozenset[str]

    def why(self, module: str) -> str | None:
        """Return what is wrong with importing a module; None if nothing is."""
        package = module.partition(".")[0]
        if package in self.engines:
            return f"the engine {module}"
        if package in self.applications:
            return "another application's code"
        return f"{module}, which is for tests" if package in self.test_tools else None


def _check(file: Path, repository: Path, forbidden: _Forbidden) -> Iterator[Violation]:
    place = str(file.relative_to(repository))
    text = file.read_text(encoding="utf-8")
    for line in _looks_away(text):
        yield Violation(RULE, f"{place}:{line}", f"`# {_LOOK_AWAY}` hides an import from Pants")
    for found in imports_of(text):
        where = f"{place}:{found.line}"
        if found.module is None:
            yield Violation(RULE, where, f"{found.form} hides which module it imports")
        elif (what := forbidden.why(found.module)) is not None:
            yield Violation(RULE, where, f"{found.form} imports {what}")


def imports_of(text: str) -> list[Import]:
    """Return every import of a source, wherever it stands.

    Raises:
        SyntaxError: it is no Python.
    """
    tree = ast.parse(text)
    importers = set(_IMPORTERS) | _aliases(tree)
    found: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno, "`import`") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append(Import(node.module, node.lineno, "`from … import`"))
        elif isinstance(node, ast.Call):
            found += _called(node, importers)
    return found


def _aliases(tree: ast.AST) -> set[str]:
    """Return the names that `from importlib import import_module as …` and its like bind."""
    return {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in _IMPORTER_HOMES
        for alias in node.names
        if alias.asname and alias.name in _IMPORTERS
    }


def _called(node: ast.Call, importers: set[str]) -> list[Import]:
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in _RUNS_TEXT and isinstance(function, ast.Name):
        return [Import(None, node.lineno, f"`{name}`")]
    if name not in importers:
        return []
    named = [each.value for each in node.keywords if each.arg in ("name", "mod_name", "fullname")]
    asked = node.args[0] if node.args else named[0] if named else None
    if isinstance(asked, ast.Constant) and isinstance(asked.value, str):
        return [Import(asked.value.partition(":")[0], node.lineno, f"`{name}`")]
    return [Import(None, node.lineno, f"`{name}`")]


def _looks_away(text: str) -> Iterator[int]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _LOOK_AWAY in token.string:
            yield token.start[0]
