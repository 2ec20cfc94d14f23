"""Which PEX serves at the API's address?

Any build can stand there. Evidence that was asked of the address names `api_pex` only where the
processes that listen there are seen, on this machine, to run from it; otherwise it is about the
server at the address alone, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome
from upgrade_gates.serving.running_pex import serving_at
from upgrade_gates.session import Session

API_PEX = "api_pex"


@dataclass(frozen=True)
class ServingApi:
    """What serves at the API's address.

    Attributes:
        said: one clause.
        contradiction: that it is another build than `api_pex`; None if that was not seen.
        binds: `api_pex` where it was seen to serve.
    """

    said: str
    contradiction: str | None = None
    binds: tuple[str, ...] = ()

    def named_in(self, outcome: Outcome) -> Outcome:
        """Return an outcome of asking the API, with what was asked; another build is no pass."""
        if outcome.verdict is not Verdict.PASS:
            return outcome
        if self.contradiction is not None:
            return replace(outcome, verdict=Verdict.FAIL, reason=self.contradiction)
        return replace(outcome, reason=f"{outcome.reason}; {self.said}")


def serving_api(session: Session) -> ServingApi:
    """Look at the processes that listen at `api.url`."""
    api = session.context.api
    if api is None:
        return ServingApi("which PEX serves was not seen: [api] is not in upgrade.toml")
    return identify_api(api.url, session.artefacts.path(API_PEX))


def identify_api(url: str, pex: Path | None) -> ServingApi:
    """Return what serves at an address.

    Args:
        pex: `api_pex`; None if it is not named.
    """
    build = serving_at(url, pex, API_PEX)
    if build.is_another_build:
        return ServingApi(
            "another build serves",
            f"process {build.process} serves {url} from another build than {API_PEX}; start the "
            "API from it, or name there the PEX that serves",
        )
    if build.is_pex:
        return ServingApi(f"served by process {build.process} of {API_PEX}", None, (API_PEX,))
    return ServingApi(f"whether {API_PEX} serves was not seen: {build.unknown}")
