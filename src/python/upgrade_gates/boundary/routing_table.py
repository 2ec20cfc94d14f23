"""Does the API's configuration send a model to an engine? Read from its file, without the API."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from upgrade_gates.context import Serving
from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def judge_configuration(file: Path, model: str, engine: Serving) -> Outcome:
    """Judge whether a target of the model is this engine.

    Args:
        file: the API's configuration.
        model: the name that clients use, or an alias.

    Raises:
        ArtefactUnusable: the file is not TOML.
    """
    configuration = _read(file)
    upstreams = _table(configuration, "upstreams")
    names = _names(upstreams, engine)
    if not names:
        known = ", ".join(f"{name} {each.get('base_url')}" for name, each in upstreams.items())
        return Outcome(
            Verdict.FAIL,
            f"no upstream of {file.name} is {engine.url} (there are: {known or 'none'}); add "
            f'[upstreams.NAME] with base_url = "{engine.url}"',
        )
    for target in _targets(configuration, model):
        if target.get("upstream") in names and target.get("model") == engine.model:
            return Outcome(
                Verdict.PASS,
                f"{model} goes to {engine.model} at {engine.url} (upstream {target['upstream']}, "
                f"{target.get('role', 'stable')})",
            )
    return Outcome(
        Verdict.FAIL,
        f"{file.name} has {engine.url} as upstream {names[0]}, but no target of {model!r} is "
        f"{engine.model!r} there; add one to its targets",
    )


def upstream_names(file: Path | None, engine: Serving | None) -> frozenset[str]:
    """Return an engine's names in the API's configuration; none where either is not known.

    Raises:
        ArtefactUnusable: the file is not TOML.
    """
    if file is None or engine is None or not file.exists():
        return frozenset()
    return frozenset(_names(_table(_read(file), "upstreams"), engine))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtefactUnusable(f"the API's configuration {file} cannot be read: {error}") from None


def _names(upstreams: dict[str, dict[str, Any]], engine: Serving) -> list[str]:
    return [
        name for name, each in upstreams.items() if _same(str(each.get("base_url")), engine.url)
    ]


def _targets(configuration: dict[str, Any], model: str) -> list[dict[str, Any]]:
    return [
        target
        for name, each in _table(configuration, "models").items()
        if model == name or model in each.get("aliases", [])
        for target in each.get("targets", [])
    ]


def _table(configuration: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    table = configuration.get(name, {})
    return table if isinstance(table, dict) else {}


def _same(one: str, other: str) -> bool:
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url.rstrip("/"))
    host = "localhost" if parts.hostname in _LOOPBACK else parts.hostname or ""
    return parts.scheme, host, parts.port, parts.path
