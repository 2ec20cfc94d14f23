"""Does the running API reach its engines?"""

from __future__ import annotations

from typing import Any

import httpx

from upgrade_gates.context import Api
from upgrade_gates.evidence.statement import Verdict
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
