"""`boundary verify`: gate 4."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Annotated

import typer

from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.api.serving_process import serving_api
from upgrade_gates.boundary.live import check_both, check_embeddings, check_pass_through
from upgrade_gates.boundary.report import (
    BoundaryReport,
    Judged,
    judge_pex,
    judge_sources,
    parse_report,
)
from upgrade_gates.boundary.report import read_report as read_report_file
from upgrade_gates.boundary.routing_table import judge_configuration, upstream_names
from upgrade_gates.candidate.asking import CandidateAsking, CandidateCheck, asking_of
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.engine import opened
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.old_stack import check_old_stack
from upgrade_gates.pex_file import run_command
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.verification import Verification

TOOL = Path("build-support", "boundaries")
TOOL_SECONDS = 1800.0
REPORT = "boundary-report"
"""The report's name among the subjects of evidence."""

CHAT_LINES = ("4.provider.chat", "4.routing.chat")
VECTOR_LINES = ("4.provider.embeddings", "4.routing.embeddings")

app = typer.Typer(no_args_is_help=True, help="Gate 4: the API reaches engines over HTTP only.")


@app.command(epilog="Example: `upgrade_gates boundary verify --report boundaries.json`")
def verify(
    workspace: WorkspaceOption = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Output of `build-support/boundaries --json` (default: run it now).",
        ),
    ] = None,
    pants: Annotated[
        bool, typer.Option(help="Include the checks by Pants when boundaries is run.")
    ] = True,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit per request.", min=1, max=3600)
    ] = 60.0,
    json_: JsonOption = False,
) -> None:
    """Send requests through the API to the new engine; judge the report on forbidden imports."""
    session = open_session(workspace)
    verification = Verification(session)
    _imports(session, verification, report, pants)
    serves = serving_api(session)
    for check, asked in asyncio.run(_live(session, timeout)).items():
        outcome = serves.named_in(asked)
        verification.add(
            check,
            outcome.verdict,
            outcome.reason,
            figures=outcome.figures,
            output=outcome.output,
            subjects=session.artefacts.digests(serves.binds),
        )
    outcome = _configuration(session)
    verification.add("4.config", outcome.verdict, outcome.reason)
    if session.context.old is not None:
        outcome = asyncio.run(check_old_stack(session.context.old, seconds=timeout))
        verification.add("4.fallback", outcome.verdict, outcome.reason, output=outcome.output)
    verification.finish(as_json=json_)


def _imports(session: Session, verification: Verification, file: Path | None, pants: bool) -> None:
    found = _report(session, pants) if file is None else read_report_file(file)
    if isinstance(found, Outcome):
        for check in ("4.imports.sources", "4.imports.pex"):
            verification.add(check, found.verdict, found.reason, output=found.output)
        return
    report, text = found
    judged = Judged(
        session.artefacts.digest("api_lock"), session.artefacts.digest("api_pex"), utc_now()
    )
    subjects = {REPORT: hashlib.sha256(text.encode()).hexdigest()}
    for check, outcome in (
        ("4.imports.sources", judge_sources(report, judged)),
        ("4.imports.pex", judge_pex(report, judged)),
    ):
        verification.add(check, outcome.verdict, outcome.reason, output=text, subjects=subjects)


def _report(session: Session, pants: bool) -> tuple[BoundaryReport, str] | Outcome:
    """Run the tool of the checkout that the workspace lies in."""
    base = session.workspace.base
    checkout = next((each for each in (base, *base.parents) if (each / TOOL).is_file()), None)
    if checkout is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            f"there is no {TOOL} here; run it in a checkout, bring its report, and name it with "
            f"--report: {TOOL} --json --planted --pex dist/querylake_api.pex > boundaries.json",
        )
    pex = session.artefacts.path("api_pex")
    command = [str(checkout / TOOL), "--json", "--planted"]
    command += [] if pants else ["--no-pants"]
    command += ["--pex", str(pex)] if pex is not None and pex.exists() else []
    ran = run_command(command, seconds=TOOL_SECONDS, cwd=checkout)
    if ran.code not in (0, 1):
        return Outcome(Verdict.FAIL, f"{TOOL} cannot tell: {ran.last_line}", ran.raw)
    return parse_report(ran.stdout), ran.stdout


async def _live(session: Session, seconds: float) -> dict[str, Outcome]:
    """Ask the API with a key that is routed to the new engine."""
    context = session.context
    names = upstream_names(session.artefacts.path("api_config"), context.serving)
    asking = asking_of(context, names, seconds)
    if isinstance(asking, Outcome):
        return dict.fromkeys(CHAT_LINES, asking)
    outcomes = await _chat(asking)
    model = asking.api.embeddings_model
    if model is not None:
        check = CandidateCheck(1, lambda provider: check_embeddings(provider, model))
        asked = await asking.ask(model, {"4.provider.embeddings": check}, embeddings=True)
        outcomes |= dict.fromkeys(VECTOR_LINES, asked["4.provider.embeddings"])
    return outcomes


async def _chat(asking: CandidateAsking) -> dict[str, Outcome]:
    provider_line, routing_line = CHAT_LINES
    refused: list[Outcome] = []

    async def both(provider: OpenAIHTTPProvider) -> Outcome:
        """Chat, and see in the same place how a bad field is refused: that is counted nowhere."""
        async with opened(asking.serving, name="engine", seconds=asking.seconds) as engine:
            models = asking.api.model, asking.serving.model
            refused.append(await check_pass_through(provider, models[0], engine, models[1]))
        return await check_both(provider, asking.api.model)

    outcomes = await asking.ask(asking.api.model, {provider_line: CandidateCheck(2, both)})
    reached = outcomes[provider_line]
    if reached.verdict is not Verdict.PASS or not refused:
        why = f"the new engine was not shown to be reached: {reached.reason}"
        verdict = (
            Verdict.NOT_CHECKABLE
            if reached.verdict is Verdict.NOT_CHECKABLE
            else Verdict.INCONCLUSIVE
        )
        return outcomes | {routing_line: Outcome(verdict, why, "".join(r.output for r in refused))}
    return outcomes | {routing_line: refused[0]}


def _configuration(session: Session) -> Outcome:
    context = session.context
    file = session.artefacts.path("api_config")
    if file is None or context.api is None or context.serving is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            "upgrade.toml lacks artefacts.api_config, [api] or [serving], so there is nothing to "
            "compare",
        )
    return judge_configuration(file, context.api.model, context.serving)
