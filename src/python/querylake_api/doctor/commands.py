"""The command `doctor`."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from querylake_api.configuration.command_options import ConfigOption
from querylake_api.configuration.loading import ConfigurationError, load_configuration
from querylake_api.doctor.cluster import examine_cluster
from querylake_api.doctor.database import examine_database
from querylake_api.doctor.engines import examine_engines
from querylake_api.doctor.findings import Finding, Verdict, fault, good, unknown
from querylake_api.doctor.machine import examine_machine
from querylake_api.doctor.ocr import examine_ocr

_MARKS: dict[Verdict, tuple[str, str]] = {
    "good": ("ok", "green"),
    "warning": ("warning", "yellow"),
    "fault": ("FAULT", "bold red"),
    "unknown": ("unknown", "cyan"),
}


def doctor(
    config: ConfigOption,
    dashboard: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Dashboard of a Ray cluster, whose version is compared with ours."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Check everything that serving depends on. Exit code 0 only without faults."""
    findings = asyncio.run(_examine(config, dashboard))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        _show(findings)
    if any(finding.verdict == "fault" for finding in findings):
        raise typer.Exit(1)


async def _examine(path: Path, dashboard: str | None) -> list[Finding]:
    try:
        configuration = load_configuration(path, for_engines=False)
    except ConfigurationError as error:
        return [
            fault("configuration", problem, f"correct {path}; `check-config` reads it again")
            for problem in error.problems
        ]
    settings = configuration.settings
    counts = f"{len(settings.upstreams)} upstreams, {len(settings.models)} models"
    findings = [good("configuration", f"{path}: {counts}")]
    findings += [
        unknown(
            f"key of {section}",
            reason,
            "set it here as the server has it, and its engine is looked at too",
        )
        for section, reason in configuration.missing_keys.items()
    ]
    findings += examine_machine(configuration)
    findings += [finding async for finding in examine_database(configuration)]
    findings += await examine_engines(configuration)
    if configuration.ocr is not None:
        findings.append(await examine_ocr(configuration.ocr))
    if dashboard is not None:
        findings.append(await asyncio.to_thread(examine_cluster, dashboard))
    return findings


def _show(findings: list[Finding]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark, style = _MARKS[finding.verdict]
        line = Text.assemble(
            (f"{mark:<8}", style), (f"{finding.subject:<{width}}  ", "bold"), finding.detail
        )
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"{'':<8}{'':<{width}}  -> {finding.remedy}"), soft_wrap=True)
    faults = sum(finding.verdict == "fault" for finding in findings)
    warnings = sum(finding.verdict == "warning" for finding in findings)
    console.print(f"\n{faults} faults, {warnings} warnings.")
