"""`serving verify`: gate 3."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.context import Serving
from upgrade_gates.engine import opened
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import read_lock
from upgrade_gates.serving import baseline
from upgrade_gates.serving.conformance import check_chat, check_errors, check_models
from upgrade_gates.serving.gpu_memory import gpu_memory
from upgrade_gates.serving.identity import Identity, identify
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.serving.streaming import check_stream
from upgrade_gates.session import Session, open_session
from upgrade_gates.verification import Verification

GPU_MEMORY = "3.baseline.gpu-memory"
BASELINES = (baseline.LATENCY, baseline.THROUGHPUT, GPU_MEMORY)

app = typer.Typer(no_args_is_help=True, help="Gate 3: the engine serves on its own.")


@app.command(
    epilog="Example: `upgrade_gates serving verify --url http://127.0.0.1:8011/v1 --model MODEL "
    "--seconds 120`"
)
def verify(
    workspace: WorkspaceOption = None,
    url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Base URL with /v1; saved as serving.url."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="NAME", help="Model id; saved as serving.model.")
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Environment variable with its API key; saved as serving.key_env."
        ),
    ] = None,
    measure: Annotated[
        bool, typer.Option(help="Measure the baseline, besides conformance.")
    ] = True,
    gpu: Annotated[bool, typer.Option(help="Measure GPU memory with nvidia-smi.")] = True,
    seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Total time of the measurement.", min=1, max=3600),
    ] = 60.0,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit per request.", min=1, max=3600)
    ] = 60.0,
    margin: Annotated[
        float,
        typer.Option(metavar="RATIO", help="Factor over the last baseline that fails.", min=1),
    ] = baseline.MARGIN,
    accept: Annotated[
        bool, typer.Option("--accept", help="Accept a regression as the new baseline.")
    ] = False,
    runtime_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="URL of its supervisor (vllm_runtime); saved as serving.runtime_url.",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Check protocol conformance; measure TTFT, throughput and GPU memory against the baseline."""
    session = open_session(workspace).keeping(
        serving={"url": url, "model": model, "key_env": key_env, "runtime_url": runtime_url}
    )
    serving = session.context.serving or session.require("serving")
    verification = Verification(session)
    identity = _identity(session, serving, timeout)
    outcomes = asyncio.run(_outcomes(serving, seconds if measure else None, timeout))
    outcomes["3.serve"] = _with_identity(outcomes["3.serve"], identity)
    if measure and gpu:
        outcomes[GPU_MEMORY] = gpu_memory(serving.url)
    for check, outcome in outcomes.items():
        if check in BASELINES:
            outcome = _compared(session, serving, check, outcome, margin, accept)
        verification.add(
            check,
            outcome.verdict,
            outcome.reason,
            figures=outcome.figures,
            output=outcome.output,
            subjects=session.artefacts.digests(identity.binds),
        )
    verification.finish(as_json=json_)


async def _outcomes(
    serving: Serving, seconds: float | None, timeout: float  # - of each request
) -> dict[str, Outcome]:
    """Return what each check saw, by line."""
    async with opened(serving, name="engine", seconds=timeout) as provider:
        served = await _served(provider, serving)
        outcomes = {
            "3.serve": served,
            "3.endpoints.models": await check_models(provider, serving.model),
            "3.endpoints.chat": await check_chat(provider, serving.model),
            "3.endpoints.stream": await check_stream(provider, serving.model),
            "3.endpoints.errors": await check_errors(provider, serving.model),
        }
        if seconds is None:
            return outcomes
        if outcomes["3.endpoints.stream"].verdict is not Verdict.PASS:
            skipped = Outcome(Verdict.NOT_CHECKABLE, "what does not stream cannot be timed")
            return outcomes | {baseline.LATENCY: skipped, baseline.THROUGHPUT: skipped}
        loads = await baseline.measure(provider, serving.model, seconds=seconds)
        return outcomes | {
            baseline.LATENCY: baseline.latency(loads),
            baseline.THROUGHPUT: baseline.throughput(loads),
        }


async def _served(provider: OpenAIHTTPProvider, serving: Serving) -> Outcome:
    health = await provider.health()
    if health.ok:
        return Outcome(Verdict.PASS, f"{serving.url} is up ({health.detail})")
    return Outcome(
        Verdict.FAIL, f"{serving.url} is not up: {health.detail}; start the engine, or see its log"
    )


def _identity(session: Session, serving: Serving, seconds: float) -> Identity:
    lock = session.artefacts.path("runtime_lock")
    pins = read_lock(lock).versions() if lock is not None and lock.exists() else {}
    return identify(serving, pins, session.artefacts.path("runtime_pex"), seconds=seconds)


def _with_identity(outcome: Outcome, identity: Identity) -> Outcome:
    """Return what was seen of the server with what it is."""
    output = f"{outcome.output}\n{identity.output}"
    figures = {**outcome.figures, "engine_version": identity.version}
    if outcome.verdict is Verdict.PASS and identity.contradiction is not None:
        return Outcome(
            Verdict.FAIL,
            f"another server than the one that was chosen answers: {identity.contradiction}",
            output,
            figures,
        )
    return Outcome(outcome.verdict, f"{outcome.reason}; {identity.said}", output, figures)


def _compared(
    session: Session, serving: Serving, check: str, outcome: Outcome, margin: float, accept: bool
) -> Outcome:
    last = baseline.last_baseline(session.store.read(), check, serving.model)
    compared = baseline.compared(
        outcome,
        baseline.Comparison(
            last=last.statement.predicate.figures if last else None,
            record=f"record {last.sequence}" if last else "",
            margin=margin,
            accepted=accept,
        ),
    )
    figures = {"model": serving.model, "url": serving.url, **compared.figures}
    return Outcome(compared.verdict, compared.reason, compared.output, figures)
