"""Are the Ray and Python of a cluster those of the API's PEX?"""

from __future__ import annotations

import os
from pathlib import Path

import httpx

from upgrade_gates.context import Ray
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.pex_file import PexFile
from upgrade_gates.serving.outcome import Outcome

_REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
"""Ray 2.60 asks for a token unless it is told not to: `RAY_AUTH_MODE`."""

_TOKEN_FILE = ".ray/auth_token"


def check_ray(ray: Ray, pex: PexFile, python: str, *, seconds: float) -> Outcome:
    """Compare the cluster's Ray and Python with the PEX's, without joining the cluster.

    The dashboard's `GET /api/version` tells Ray's version, and `GET /api/v0/cluster_metadata` the
    Python of the cluster's head.

    Args:
        python: the version that the PEX runs on here, e.g. `3.11.7`.
    """
    ours = pex.versions.get("ray")
    if ours is None:
        return Outcome(Verdict.FAIL, f"{pex.path.name} holds no Ray, so it cannot join a cluster")
    token = _token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=ray.dashboard, headers=headers, timeout=seconds) as client:
            version = client.get("/api/version")
            if version.status_code in _REFUSALS:
                return _refused(ray, version, had_token=token is not None)
            metadata = client.get("/api/v0/cluster_metadata")
        theirs = version.json()["ray_version"]
        data = metadata.json().get("data", {}) if metadata.status_code == 200 else {}
    except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Outcome(
            Verdict.FAIL,
            f"{ray.dashboard} does not tell its version ({error!r}); is it the Ray dashboard?",
        )
    output = f"{version.text}\n{metadata.text}"
    their_python = data.get("pythonVersion") if isinstance(data, dict) else None
    figures = {"ray": theirs, "python": their_python}
    if theirs != ours:
        return Outcome(
            Verdict.FAIL,
            f"the cluster runs Ray {theirs}, and {pex.path.name} holds {ours}; lock that version "
            "for the API and build it again, or upgrade the cluster",
            output,
            figures,
        )
    if not isinstance(their_python, str):
        return Outcome(
            Verdict.INCONCLUSIVE, f"Ray {theirs} on both; the cluster tells no Python", output
        )
    if _minor(their_python) != _minor(python):
        return Outcome(
            Verdict.FAIL,
            f"the cluster runs Python {their_python}, and the API {python}; Ray needs the same "
            "minor version",
            output,
            figures,
        )
    return Outcome(
        Verdict.PASS, f"Ray {theirs} and Python {_minor(python)} on both sides", output, figures
    )


def _refused(ray: Ray, answer: httpx.Response, *, had_token: bool) -> Outcome:
    given = "refuses the token that it was given" if had_token else "asks for a token"
    return Outcome(
        Verdict.NOT_CHECKABLE,
        f"{ray.dashboard} {given} ({answer.status_code}); put the cluster's into RAY_AUTH_TOKEN, "
        f"or into a file that RAY_AUTH_TOKEN_PATH names, or into ~/{_TOKEN_FILE}",
        answer.text,
    )


def _token() -> str | None:
    """Return the cluster's token from where Ray's own programs look for it; None without one."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        file = Path(named) if named else Path.home() / _TOKEN_FILE
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, RuntimeError, UnicodeDecodeError):  # no file, no home, no text
        return None


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
