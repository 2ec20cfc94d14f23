"""`api verify`: gate 5."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from upgrade_gates.api.boot import check_boot, check_configuration
from upgrade_gates.api.contents import judge_engines, judge_environment, judge_minimal
from upgrade_gates.api.ray_cluster import check_ray
from upgrade_gates.api.serving_process import serving_api
from upgrade_gates.api.upstreams import check_upstreams
from upgrade_gates.command_options import JsonOption, WorkspaceOption
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import read_lock
from upgrade_gates.pex_file import read_pex
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.session import Session, open_session
from upgrade_gates.verification import Verification

UPSTREAM = "5.upstream"
"""The line that is about the API which serves, and not about a PEX that is started for a moment."""

app = typer.Typer(
    no_args_is_help=True, help="Gate 5: an environment for the API, without an engine."
)


@app.command(
    epilog="Example: `upgrade_gates api verify --pex dist/querylake_api.pex "
    "--lock 3rdparty/python/api.lock`"
)
def verify(
    workspace: WorkspaceOption = None,
    pex: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEX of the API; saved as artefacts.api_pex."),
    ] = None,
    lock: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its lock; saved as artefacts.api_lock.")
    ] = None,
    dashboard: Annotated[
        str | None,
        typer.Option(metavar="URL", help="URL of the Ray dashboard; saved as ray.dashboard."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit for its start.", min=1, max=3600)
    ] = 180.0,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time limit per request.", min=1, max=600)
    ] = 15.0,
    json_: JsonOption = False,
) -> None:
    """Compare the API's PEX with its lock, start it on a free port, check Ray and the upstreams."""
    session = open_session(workspace).keeping(
        artefacts={
            "api_pex": str(pex.resolve()) if pex else None,
            "api_lock": str(lock.resolve()) if lock else None,
        },
        ray={"dashboard": dashboard},
    )
    path = session.artefacts.required_path("api_pex")
    locked = read_lock(session.artefacts.required_path("api_lock"))
    held, serves = read_pex(path), serving_api(session)
    outcomes = {
        "5.environment": judge_environment(held, locked),
        "5.minimal": judge_minimal(held, locked),
        "5.no-engine": judge_engines(held, locked),
        "5.boot": _boot(session, path, seconds),
        UPSTREAM: serves.named_in(check_upstreams(session.context.api, seconds=timeout)),
    }
    if session.context.ray is not None:
        # The PEX runs on the interpreter that it is given: ours, here.
        outcomes["5.ray"] = check_ray(
            session.context.ray, held, platform.python_version(), seconds=timeout
        )
    verification = Verification(session)
    for check, outcome in outcomes.items():
        verification.add(
            check,
            outcome.verdict,
            outcome.reason,
            figures=outcome.figures,
            output=outcome.output,
            subjects=session.artefacts.digests(serves.binds if check == UPSTREAM else ()),
        )
    verification.finish(as_json=json_)


def _boot(session: Session, pex: Path, seconds: float) -> Outcome:
    booted = check_boot(pex, seconds=seconds)
    if booted.verdict is not Verdict.PASS:
        return booted
    config = session.artefacts.path("api_config")
    if config is None or not config.exists():
        return Outcome(
            Verdict.INCONCLUSIVE,
            f"{booted.reason}; artefacts.api_config is not there, so its own configuration was not "
            "read",
            booted.output,
            booted.figures,
        )
    configured = check_configuration(pex, config, seconds=seconds)
    return Outcome(
        configured.verdict,
        f"{booted.reason}; {configured.reason}",
        f"{booted.output}\n{configured.output}",
        booted.figures,
    )
