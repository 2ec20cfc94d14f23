"""`init`: begin an upgrade by saying what it is about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from upgrade_gates.artefacts import FILES
from upgrade_gates.context import read_context
from upgrade_gates.context_file import write_new
from upgrade_gates.errors import ContextUnusable
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
        Path, typer.Option("--workspace", metavar="FOLDER", help="Where .upgrade is made.")
    ] = Path(),
    serving_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The new engine, up to and with /v1.")
    ] = None,
    old_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The engine that answers today.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="What engines call the model.")
    ] = None,
    serving_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="The variable with the engines' key.")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(metavar="URL", help="The API, without /v1.")
    ] = None,
    api_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="What the API's clients call the model.")
    ] = None,
    admin_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The variable with a key that may read rollouts."),
    ] = None,
    embeddings_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The API's, if embeddings are enabled.")
    ] = None,
    rerank_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The API's, if reranking is enabled.")
    ] = None,
    ocr: Annotated[bool, typer.Option("--ocr", help="The API offers OCR.")] = False,
    dashboard: Annotated[
        str | None, typer.Option(metavar="URL", help="The Ray cluster's dashboard.")
    ] = None,
    artefact: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATH",
            help=f"A file that evidence is bound to: {', '.join(FILES)}. Repeat as needed.",
        ),
    ] = None,
) -> None:
    """Write .upgrade/upgrade.toml. Edit it afterwards; nothing here has to be given now."""
    workspace = Workspace(folder.resolve())
    if workspace.context_file.exists():
        raise ContextUnusable(f"{workspace.context_file} is there already; edit it")
    files = {**_present(workspace.base), **_given(artefact or [])}
    engine = {"model": model, "key_env": serving_key_env}
    api = {"model": api_model or model, "embeddings_model": embeddings_model}
    api |= {"rerank_model": rerank_model, "admin_key_env": admin_key_env}
    tables = {
        "artefacts": files,
        "serving": _table(serving_url, engine),
        "old": _table(old_url, engine),
        "api": _table(api_url, api) | ({"ocr": True} if ocr and api_url else {}),
        "ray": {"dashboard": dashboard} if dashboard else {},
    }
    write_new(workspace.context_file, {name: table for name, table in tables.items() if table})
    try:
        read_context(workspace.context_file)
    except ContextUnusable:
        workspace.context_file.unlink()
        raise
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


def _table(url: str | None, values: dict[str, Any]) -> dict[str, Any]:
    if url is None:
        return {}
    return {"url": url} | {name: value for name, value in values.items() if value is not None}
