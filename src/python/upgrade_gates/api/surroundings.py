"""What the API stands among: its engines, and the Ray cluster."""

from __future__ import annotations

from typing import Any

import httpx

from upgrade_gates.context import Api, Ray
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.pex_file import PexFile
from upgrade_gates.serving.outcome import Outcome


def check_upstreams(api: Api | None, *, seconds: float) -> Outcome:
    """Ask the running API whether its engines answer (`/readyz`)."""
    if api is None:
        return Outcome(
            Verdict.NOT_CHECKABLE, "[api] is not in upgrade.toml, so there is no API to ask"
        )
    try:
        answer = httpx.get(f"{api.url}/readyz", timeout=seconds)
        document = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        return Outcome(Verdict.FAIL, f"{api.url}/readyz does not answer: {error}; start the API")
    upstreams = _states(document)
    down = [f"{name} ({detail})" for name, (state, detail) in upstreams.items() if state != "up"]
    if down:
        return Outcome(Verdict.FAIL, f"it does not reach: {', '.join(down)}", answer.text)
    if not upstreams:
        return Outcome(
            Verdict.FAIL, "it knows no engine; add one to its configuration", answer.text
        )
    if answer.status_code != 200:
        return Outcome(Verdict.FAIL, f"/readyz answers {answer.status_code}", answer.text)
    return Outcome(Verdict.PASS, f"it reaches {', '.join(upstreams)}", answer.text)


def _states(document: Any) -> dict[str, tuple[str, str]]:
    upstreams = document.get("upstreams") if isinstance(document, dict) else None
    if not isinstance(upstreams, dict):
        return {}
    return {
        name: (str(each.get("state")), str(each.get("detail", "")))
        for name, each in upstreams.items()
        if isinstance(each, dict)
    }


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
    try:
        version = httpx.get(f"{ray.dashboard}/api/version", timeout=seconds)
        metadata = httpx.get(f"{ray.dashboard}/api/v0/cluster_metadata", timeout=seconds)
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


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
