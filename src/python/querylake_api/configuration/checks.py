"""Checks across the whole configuration, which no single section can make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from querylake_api.configuration.problems import did_you_mean, key_path
from querylake_api.settings import GENERATION, RETRIEVAL, ModelSettings, Settings


def cross_check(settings: Settings) -> list[str]:
    """Return one sentence for each contradiction between sections."""
    problems = list(_name_clashes(settings))
    for name, upstream in settings.upstreams.items():
        if upstream.api_key_env is not None and upstream.api_key_file is not None:
            problems.append(f"upstreams.{name}: set api_key_env or api_key_file, not both")
    ocr = settings.ocr
    if ocr is not None and ocr.api_key_env is not None and ocr.api_key_file is not None:
        problems.append("ocr: set api_key_env or api_key_file, not both")
    corpus = settings.parity.corpus
    if corpus is not None:
        if not corpus.keys and not corpus.models:
            problems.append("parity.corpus: name the `keys` or the `models` that are recorded")
        problems += (
            f"parity.corpus.models: there is no model {name!r}"
            f"{did_you_mean(name, settings.models)}"
            for name in sorted(corpus.models - settings.models.keys())
        )
    for name, model in settings.models.items():
        here = key_path(("models", name))
        problems += (f"{here}.{problem}" for problem in _model_problems(model, settings))
    return problems


def _name_clashes(settings: Settings) -> Iterator[str]:
    owners: dict[str, str] = {name: name for name in settings.models}
    for name, model in settings.models.items():
        for alias in model.aliases:
            here = f"{key_path(('models', name))}.aliases"
            if alias not in owners:
                owners[alias] = name
            elif owners[alias] == name:
                yield f"{here}: {alias!r} is already a name of this model; remove it"
            elif alias in settings.models:
                yield f"{here}: {alias!r} is the id of another model; choose another alias"
            else:
                yield f"{here}: {alias!r} is also an alias of {owners[alias]!r}; keep one of them"


def _model_problems(model: ModelSettings, settings: Settings) -> Iterator[str]:
    capabilities = set(model.capabilities)
    if len(capabilities) < len(model.capabilities):
        yield "capabilities: each may be named once"
    if capabilities & GENERATION and capabilities & RETRIEVAL:
        # Sharing an engine between generation and retrieval has to be somebody's decision: two
        # models say so, one model would do it by accident.
        yield (
            "capabilities: chat, completions, responses and messages cannot be mixed with "
            "embeddings and rerank; "
            "define two models, each with its own targets"
        )
    for index, target in enumerate(model.targets):
        if target.upstream not in settings.upstreams:
            yield (
                f"targets[{index}].upstream: there is no [upstreams.{target.upstream}]"
                f"{did_you_mean(target.upstream, settings.upstreams)}"
            )
    if not any(target.role == "stable" for target in model.targets):
        yield 'targets: none has role = "stable", so nothing would answer; add one'
    seen = Counter((target.upstream, target.model) for target in model.targets)
    for (upstream, served), count in seen.items():
        if count > 1:
            yield f"targets: {served!r} on {upstream!r} is listed {count} times; keep one"
