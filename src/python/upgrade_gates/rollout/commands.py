"""`rollout verify`: gate 6."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from upgrade_gates.boundary.live import check_both, check_embeddings, check_rerank
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.context import Api
from upgrade_gates.engine import opened
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.old_stack import check_old_stack
from upgrade_gates.rollout.judgement import judge_records
from upgrade_gates.rollout.ocr_smoke import check_ocr
from upgrade_gates.rollout.records import read_records
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.session import open_session
from upgrade_gates.verification import Verification

OLD = "6.promote.old-stack"

app = typer.Typer(no_args_is_help=True, help="Gate 6: smoke tests, canary, promotion, rollback.")


@app.command()
def verify(
    workspace: WorkspaceOption = None,
    smoke_only: Annotated[
        bool, typer.Option("--smoke-only", help="Leave canary, promotion and rollback out.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(help="How long one request may take, in seconds.", min=1, max=3600)
    ] = 60.0,
    json_: JsonOption = False,
) -> None:
    """Ask the API what its clients ask, and read what its rollouts recorded."""
    session = open_session(workspace)
    api = session.context.api or session.require("api")
    outcomes = asyncio.run(_smoke(api, timeout))
    if api.ocr:
        outcomes["6.smoke.ocr"] = check_ocr(api, seconds=timeout)
    if not smoke_only:
        outcomes |= judge_records(read_records(api, seconds=timeout), api.model)
        outcomes[OLD] = (
            Outcome(
                Verdict.NOT_CHECKABLE, "[old] is not in upgrade.toml: name the old engine there"
            )
            if session.context.old is None
            else asyncio.run(check_old_stack(session.context.old, seconds=timeout))
        )
    verification = Verification(session)
    for check, outcome in outcomes.items():
        verification.add(
            check,
            outcome.verdict,
            outcome.reason,
            figures=outcome.figures,
            output=outcome.output,
        )
    verification.finish(as_json=json_)


async def _smoke(api: Api, seconds: float) -> dict[str, Outcome]:
    async with opened(api, name="API", seconds=seconds) as provider:
        outcomes = {"6.smoke.chat": await check_both(provider, api.model)}
        if api.embeddings_model is not None:
            outcomes["6.smoke.embeddings"] = await check_embeddings(provider, api.embeddings_model)
        if api.rerank_model is not None:
            outcomes["6.smoke.rerank"] = await check_rerank(provider, api.rerank_model)
    return outcomes
