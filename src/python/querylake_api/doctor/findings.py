"""What an examination found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["good", "warning", "fault", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what, as an operator would call it.
        verdict: `fault`: requests fail or will; `warning`: they are served, with a risk; `unknown`:
            it could not be found out here.
        detail: what was seen.
        remedy: what to do; empty if nothing is to be done.
    """

    subject: str
    verdict: Verdict
    detail: str
    remedy: str = ""


def good(subject: str, detail: str) -> Finding:
    """Return a finding that asks for nothing."""
    return Finding(subject, "good", detail)


def warning(subject: str, detail: str, remedy: str) -> Finding:
    """Return a finding that will be a fault one day, or under load."""
    return Finding(subject, "warning", detail, remedy)


def fault(subject: str, detail: str, remedy: str) -> Finding:
    """Return a finding that keeps requests from being served."""
    return Finding(subject, "fault", detail, remedy)


def unknown(subject: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that could not be looked at."""
    return Finding(subject, "unknown", detail, remedy)
