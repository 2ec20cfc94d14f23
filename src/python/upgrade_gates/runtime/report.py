"""What `vllm_runtime check` prints, as far as gate 2 looks at it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from upgrade_gates.pex_file import Ran


class Finding(BaseModel):
    """One thing that was looked at; `ok` is None where it cannot be known there."""

    model_config = ConfigDict(frozen=True)

    check: str
    ok: bool | None
    detail: str


class RuntimeReport(BaseModel):
    """The report. Fields that a later runtime adds are passed over."""

    model_config = ConfigDict(frozen=True)

    python: str
    torch: str | None
    vllm: str | None
    cuda_variant: str | None
    cuda_available: bool | None
    devices: tuple[str, ...]
    driver: str | None
    minimum_driver: str | None
    findings: tuple[Finding, ...]

    def finding(self, check: str) -> Finding:
        """Return a finding; one that the report lacks is unknown."""
        return next(
            (each for each in self.findings if each.check == check),
            Finding(check=check, ok=None, detail=f"the report has no `{check}`"),
        )


def read_report(ran: Ran) -> RuntimeReport | str:
    """Return the report that a run printed, or why there is none.

    The exit code does not count: the report says what it would say.
    """
    if ran.code is None:
        return ran.stderr
    try:
        return RuntimeReport.model_validate_json(ran.stdout)
    except ValidationError:
        return f"it printed no report and ended with exit code {ran.code}: {ran.last_line}"
