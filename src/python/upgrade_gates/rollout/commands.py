"""`rollout verify`: gate 6."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.api.serving_process import serving_api
from upgrade_gates.boundary.live import check_both, check_embeddings, check_rerank
from upgrade_gates.boundary.routing_table import upstream_names
from upgrade_gates.candidate.asking import CandidateCheck, asking_of
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.context import Api, UpgradeContext
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.old_stack import check_old_stack
from upgrade_gates.rollout.judgement import judge_records
from upgrade_gates.rollout.ocr_smoke import check_ocr
from upgrade_gates.rollout.records import read_records
from upgrade_gates.rollout.upgrade import this_upgrade
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.session import open_session
from upgrade_gates.verification import Verification

OLD = "6.promote.old-stack"

app = typer.Typer(no_args_is_help=True, help="Gate 6: smoke tests, canary, promotion, rollback.")


@app.command(epilog="Example: `upgrade_gates rollout verify --smoke-only`")
def verify(
    workspace: WorkspaceOption = None,
    smoke_only: Annotated[
        bool, typer.Option("--smoke-only", help="Run the smoke tests only.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit per request.", min=1, max=3600)
    ] = 60.0,
    json_: JsonOption = False,
) -> None:
    """Run smoke tests through the API, and judge the records of its rollouts."""
    session = open_session(workspace)
    api = session.context.api or session.require("api")
    names = upstream_names(session.artefacts.path("api_config"), session.context.serving)
    smoked = asyncio.run(_smoke(session.context, api, names, timeout))
    if api.ocr:
        smoked["6.smoke.ocr"] = check_ocr(api, seconds=timeout)
    serves = serving_api(session)
    outcomes = {check: serves.named_in(outcome) for check, outcome in smoked.items()}
    binds = dict.fromkeys(smoked, serves.binds)
    if not smoke_only:
        records, upgrade = read_records(api, seconds=timeout), this_upgrade(
            session, api.model, names
        )
        judged = judge_records(records, upgrade)
        outcomes |= judged
        binds |= dict.fromkeys(judged, upgrade.binds)
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
            subjects=session.artefacts.digests(binds.get(check, ())),
        )
    verification.finish(as_json=json_)


async def _smoke(
    context: UpgradeContext, api: Api, upstreams: frozenset[str], seconds: float
) -> dict[str, Outcome]:
    """Ask the API with a key that is routed to the new engine."""
    asking = asking_of(context, upstreams, seconds)
    asked: list[
        tuple[str, str | None, int, Callable[[OpenAIHTTPProvider, str], Awaitable[Outcome]]]
    ]
    asked = [
        ("6.smoke.chat", api.model, 2, check_both),
        ("6.smoke.embeddings", api.embeddings_model, 1, check_embeddings),
        ("6.smoke.rerank", api.rerank_model, 1, check_rerank),
    ]
    outcomes: dict[str, Outcome] = {}
    for line, model, requests, check in asked:
        if model is None:
            continue
        if isinstance(asking, Outcome):
            outcomes[line] = asking
            continue

        async def run(
            provider: OpenAIHTTPProvider,
            check: Callable[[OpenAIHTTPProvider, str], Awaitable[Outcome]] = check,
            model: str = model,
        ) -> Outcome:
            return await check(provider, model)

        checks = {line: CandidateCheck(requests, run)}
        outcomes |= await asking.ask(model, checks, embeddings=line != "6.smoke.chat")
    return outcomes
