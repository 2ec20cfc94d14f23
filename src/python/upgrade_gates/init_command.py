"""`init`: begin an upgrade by saying what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from upgrade_gates.artefacts import FILES
from upgrade_gates.context import read_context
from upgrade_gates.context_file import write_new
from upgrade_gates.errors import ContextUnusable
from upgrade_gates.init_questions import Answers, answered, assumed, at_a_terminal, prompt
from upgrade_gates.workspace import Workspace

USUAL_FILES = {
    "runtime_lock": "3rdparty/python/inference.lock",
    "runtime_pex": "dist/vllm_runtime.pex",
    "edge_lock": "3rdparty/python/edge.lock",
    "edge_pex": "dist/vllm_runtime_edge.pex",
    "api_lock": "3rdparty/python/api.lock",
    "api_pex": "dist/querylake_api.pex",
    "api_config": "querylake.toml",
    "ocr_lock": "3rdparty/python/ocr.lock",
    "ocr_pex": "dist/ocr.pex",
}
"""Where a checkout of this repository has them."""


def init(
    folder: Annotated[
        Path,
        typer.Option("--workspace", metavar="FOLDER", help="Folder in which .upgrade is created."),
    ] = Path(),
    serving_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Base URL of the new engine, with /v1.")
    ] = None,
    old_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Base URL of the present engine, with /v1.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model id on the new engine.")
    ] = None,
    serving_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with the new engine's API key."),
    ] = None,
    runtime_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="URL of the new engine's supervisor (vllm_runtime)."),
    ] = None,
    old_model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Model id on the present engine (default: as on the new one)."
        ),
    ] = None,
    old_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Environment variable with its API key (default: the new one's)."
        ),
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(metavar="URL", help="URL of the API, without /v1.")
    ] = None,
    api_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model id that clients of the API use.")
    ] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Environment variable with a client's key (default: QUERYLAKE_API_KEY).",
        ),
    ] = None,
    admin_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with a key of scope admin."),
    ] = None,
    embeddings_model: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Embeddings model of the API, if there is one."),
    ] = None,
    rerank_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Rerank model of the API, if there is one.")
    ] = None,
    ocr: Annotated[bool, typer.Option("--ocr", help="The API serves /v1/ocr.")] = False,
    dashboard: Annotated[
        str | None, typer.Option(metavar="URL", help="URL of the Ray cluster's dashboard.")
    ] = None,
    artefact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help=f"File that evidence is bound to; repeatable. NAME: {', '.join(FILES)}.",
        ),
    ] = None,
) -> None:
    """Create .upgrade/upgrade.toml. At a terminal, ask for what is not given."""
    workspace = Workspace(folder.resolve())
    if workspace.context_file.exists():
        raise ContextUnusable(f"{workspace.context_file} is there already; edit it")
    given = Answers(
        serving_url=serving_url,
        model=model,
        serving_key_env=serving_key_env,
        runtime_url=runtime_url,
        old_url=old_url,
        old_model=old_model,
        old_key_env=old_key_env,
        api_url=api_url,
        api_model=api_model,
        api_key_env=api_key_env,
        admin_key_env=admin_key_env,
    )
    asked = at_a_terminal()
    answers = answered(given, prompt) if asked else given
    files = {**_present(workspace.base), **_given(artefact or [])}
    tables = {
        "artefacts": files,
        **_tables(answers),
        "ray": {"dashboard": dashboard} if dashboard else {},
    }
    if tables["api"]:
        tables["api"] |= _table({"embeddings_model": embeddings_model})
        tables["api"] |= _table({"rerank_model": rerank_model}) | ({"ocr": True} if ocr else {})
    write_new(workspace.context_file, {name: table for name, table in tables.items() if table})
    try:
        read_context(workspace.context_file)
    except ContextUnusable:
        workspace.context_file.unlink()
        raise
    for each in [] if asked else assumed(answers):
        typer.echo(f"Taken for granted: {each}")
    typer.echo(f"Wrote {workspace.context_file}. Next: upgrade_gates status")


def _present(base: Path) -> dict[str, str]:
    return {name: path for name, path in USUAL_FILES.items() if (base / path).exists()}


def _given(pairs: list[str]) -> dict[str, str]:
    given = {}
    for pair in pairs:
        name, _, path = pair.partition("=")
        if name not in FILES or not path:
            raise ContextUnusable(
                f"--artefact {pair}: write NAME=PATH with one of {', '.join(FILES)}"
            )
        given[name] = path
    return given


def _tables(answers: Answers) -> dict[str, dict[str, Any]]:
    """Return the tables of the engines and the API; one without an address is empty."""
    serving = {
        "url": answers.serving_url,
        "model": answers.model,
        "key_env": answers.serving_key_env,
        "runtime_url": answers.runtime_url,
    }
    old = {
        "url": answers.old_url,
        "model": answers.old_model or answers.model,
        "key_env": answers.old_key_env or answers.serving_key_env,
    }
    api = {
        "url": answers.api_url,
        "model": answers.api_model or answers.model,
        "key_env": answers.api_key_env,
        "admin_key_env": answers.admin_key_env,
    }
    tables = {"serving": serving, "old": old, "api": api}
    return {name: _table(each) if each["url"] else {} for name, each in tables.items()}


def _table(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
