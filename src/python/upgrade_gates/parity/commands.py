"""`parity contract|verify|record|replay|scale`: does the new engine give the same answers?"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from answer_parity.scores import MARGIN_NATS, SCALE
from answer_parity.shapes import Body
from answer_parity.verdict import Standing
from upgrade_gates.command_options import WorkspaceOption
from upgrade_gates.context import Serving
from upgrade_gates.engine import secret
from upgrade_gates.errors import ContextUnusable, RecordingUnusable
from upgrade_gates.parity import gate, prompts
from upgrade_gates.parity.comparison import TOKENIZER_TEXTS, Plan
from upgrade_gates.parity.contract_command import contract
from upgrade_gates.parity.engine import Engine
from upgrade_gates.parity.options import (
    EXIT_DIFFERENT,
    EXIT_NOT_DECIDED,
    AcceptOption,
    JsonOption,
    KeyOption,
    MarginOption,
    ModelOption,
    PromptsOption,
    SecondsOption,
    StoredOption,
    TimeoutOption,
)
from upgrade_gates.parity.recording import (
    RECORDED_URL,
    Recording,
    RecordingTransport,
    ReplayTransport,
)
from upgrade_gates.parity.retrieval import stored_vectors
from upgrade_gates.parity.run import Result, run
from upgrade_gates.parity.show import as_document, show_verdict
from upgrade_gates.session import Session, open_session
from upgrade_gates.verification import Verification

app = typer.Typer(
    no_args_is_help=True, help="Does the new engine give the same answers as the old one?"
)
app.command()(contract)

OptionalOld = Annotated[
    str | None,
    typer.Option("--old", metavar="URL", help="The old engine; default: [old] of upgrade.toml."),
]
OptionalNew = Annotated[
    str | None,
    typer.Option(
        "--new", metavar="URL", help="The new engine; default: [serving] of upgrade.toml."
    ),
]


@app.command()
def verify(
    workspace: WorkspaceOption = None,
    old: OptionalOld = None,
    new: OptionalNew = None,
    old_model: ModelOption = None,
    new_model: ModelOption = None,
    old_key_env: KeyOption = None,
    new_key_env: KeyOption = None,
    prompt_file: PromptsOption = None,
    margin: MarginOption = MARGIN_NATS,
    seconds: SecondsOption = 600.0,
    stored: StoredOption = None,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="End with the first difference.")
    ] = False,
    timeout: TimeoutOption = 120.0,
    accept: AcceptOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask both engines the same, and judge. Ends with 0 only if they are equivalent.

    Without --old and --new, the engines are those of upgrade.toml, and the verdict is evidence for
    gate 3. Exit codes: 0 equivalent, 1 different, 3 not decided.
    """
    plan = Plan(_bodies(prompt_file), seconds=seconds, fail_fast=fail_fast)
    texts = None if prompt_file is None else prompts.texts(plan.prompts)
    vectors = [] if stored is None else stored_vectors(stored)
    if old is not None and new is not None:
        left = Engine("old", old, old_model, secret(old_key_env), timeout)
        right = Engine("new", new, new_model, secret(new_key_env), timeout)
        _finish(
            asyncio.run(run(left, right, plan, margin, texts=texts, stored=vectors)), as_json=json_
        )
    if old is not None or new is not None:
        raise ContextUnusable("give both --old and --new, or neither to take those of upgrade.toml")
    session = open_session(workspace)
    verification = Verification(session)
    left = _configured("old", session.context.old or session.require("old"), timeout)
    right = _configured("new", session.context.serving or session.require("serving"), timeout)
    result = asyncio.run(run(left, right, plan, margin, texts=texts, stored=vectors))
    subjects = gate.version_subjects(result.versions)
    _keep(session, verification, result, accept, subjects, timeout, as_json=json_)


@app.command()
def record(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The recording to write.")],
    workspace: WorkspaceOption = None,
    old: OptionalOld = None,
    old_model: ModelOption = None,
    old_key_env: KeyOption = None,
    prompt_file: PromptsOption = None,
    seconds: SecondsOption = 1200.0,
    timeout: TimeoutOption = 120.0,
    json_: JsonOption = False,
) -> None:
    """Record what the old engine answers, for a host that has room for one engine only.

    The engine is compared with itself meanwhile, which shows its own noise. The file holds the
    prompts and the answers; only its owner can read it. Ends with 0 if the engine agrees with
    itself.
    """
    plan = Plan(_bodies(prompt_file), seconds=seconds)
    recording = Recording({"plan": _as_document(plan)})
    if old is None:
        context = open_session(workspace).context
        serving = context.old or context.serving
        if serving is None:
            raise ContextUnusable("upgrade.toml has neither [old] nor [serving]; give --old URL")
        old, old_model, old_key_env = serving.url, serving.model, serving.key_env
    key = secret(old_key_env)
    left = Engine("old", old, old_model, key, timeout, RecordingTransport(recording))
    right = Engine("old", old, old_model, key, timeout)
    result = asyncio.run(_recorded(left, right, plan))
    recording.about = {**recording.about, "model": asyncio.run(left.model())}
    recording.write(file)
    if not json_:
        Console().print(f"{len(recording.answers)} questions with their answers are in {file}.")
    _finish(result, as_json=json_)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `parity record` has written.")],
    workspace: WorkspaceOption = None,
    new: OptionalNew = None,
    new_model: ModelOption = None,
    new_key_env: KeyOption = None,
    margin: MarginOption = MARGIN_NATS,
    seconds: SecondsOption = 1200.0,
    timeout: TimeoutOption = 120.0,
    accept: AcceptOption = None,
    json_: JsonOption = False,
) -> None:
    """Ask the new engine what the old one was asked, and judge as `parity verify` does.

    Without --new, the engine is [serving] of upgrade.toml, and the verdict is evidence for gate 3.
    """
    recording = Recording.read(file)
    plan, model = _plan(recording, file, seconds)
    left = Engine("old", RECORDED_URL, model, None, timeout, ReplayTransport(recording))
    if new is not None:
        right = Engine("new", new, new_model, secret(new_key_env), timeout)
        _finish(asyncio.run(run(left, right, plan, margin)), as_json=json_)
    session = open_session(workspace)
    verification = Verification(session)
    right = _configured("new", session.context.serving or session.require("serving"), timeout)
    result = asyncio.run(run(left, right, plan, margin))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    subjects = {**gate.version_subjects(result.versions), "old_recording": digest}
    _keep(session, verification, result, accept, subjects, timeout, as_json=json_)


@app.command()
def scale() -> None:
    """Show what a divergence means: what was measured after known changes of an engine."""
    table = Table("what was done", "nats a token", "same top token", "sound", show_edge=False)
    for step in SCALE:
        sound = "yes" if step.sound else "no"
        table.add_row(step.change, f"{step.nats:g}", f"{step.same_top:.1%}", sound)
    console = Console()
    console.print(table)
    console.print(f"Default margin: {MARGIN_NATS:g} nats a token.")


async def _recorded(left: Engine, right: Engine, plan: Plan) -> Result:
    """Compare an engine with itself, and ask what only a difference would have made us ask."""
    for text in TOKENIZER_TEXTS:
        await left.tokens(text)
    return await run(left, right, plan, MARGIN_NATS)


def _as_document(plan: Plan) -> dict[str, object]:
    return {
        "prompts": [dict(body) for body in plan.prompts],
        "continuation_tokens": plan.continuation_tokens,
        "sampling_answers": plan.sampling_answers,
        "seed": plan.seed,
    }


def _plan(recording: Recording, file: Path, seconds: float) -> tuple[Plan, str]:
    """Return what was compared by, and the model's name on the engine that was recorded."""
    try:
        return Plan(seconds=seconds, **recording.about["plan"]), str(recording.about["model"])
    except (KeyError, TypeError):
        raise RecordingUnusable(
            f"{file} was made by another release of this program; record again"
        ) from None


def _bodies(prompt_file: Path | None) -> Sequence[Body]:
    return prompts.built_in() if prompt_file is None else prompts.from_file(prompt_file)


def _configured(name: str, serving: Serving, timeout: float) -> Engine:
    return Engine(name, serving.url, serving.model, secret(serving.key_env), timeout)


def _keep(
    session: Session,
    verification: Verification,
    result: Result,
    accepted: str | None,
    subjects: dict[str, str],
    timeout: float,
    *,
    as_json: bool,
) -> None:
    gate.keep(session, verification, result, accepted=accepted, subjects=subjects, seconds=timeout)
    if not as_json:
        show_verdict(result.verdict, result.versions)
    verification.finish(as_json=as_json)


def _finish(result: Result, *, as_json: bool) -> NoReturn:
    """Show a verdict and end the program with its exit code."""
    if as_json:
        document = as_document(result.verdict, result.measured, result.versions)
        typer.echo(json.dumps(document, indent=2))
    else:
        show_verdict(result.verdict, result.versions)
    codes = {Standing.EQUIVALENT: 0, Standing.DIFFERENT: EXIT_DIFFERENT}
    raise typer.Exit(codes.get(result.verdict.standing, EXIT_NOT_DECIDED))
