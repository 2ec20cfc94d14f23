"""Asking the API with a key that reaches the new engine: what gates 4 and 6 have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from llm_provider.openai_http import OpenAIHTTPProvider
from upgrade_gates.candidate.admin import Admin, open_admin
from upgrade_gates.candidate.key_route import KeyRoute, names_of, routed_key
from upgrade_gates.candidate.proof import Witness
from upgrade_gates.context import Api, Serving, UpgradeContext
from upgrade_gates.engine import opened
from upgrade_gates.errors import AdminRefused
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.outcome import Outcome

Check = Callable[[OpenAIHTTPProvider], Awaitable[Outcome]]


@dataclass(frozen=True)
class CandidateCheck:
    """A check through the API that only the new engine may answer.

    Attributes:
        requests: how many it sends that the engine counts as served.
        run: the check, given the API opened with the routed key.
    """

    requests: int
    run: Check


@dataclass(frozen=True)
class CandidateAsking:
    """What checks that must reach the new engine need to know.

    Attributes:
        upstreams: the new engine's names in the API's configuration; empty if that is not known.
        seconds: time limit for each request.
    """

    api: Api
    serving: Serving
    upstreams: frozenset[str]
    seconds: float

    async def ask(
        self, model: str, checks: Mapping[str, CandidateCheck], *, embeddings: bool = False
    ) -> dict[str, Outcome]:
        """Run checks of one model, by line.

        Args:
            model: the name that clients use.
            embeddings: the model makes vectors.
        """
        try:
            async with open_admin(self.api, seconds=self.seconds) as admin:
                if embeddings and not await self._has_candidate(admin, model):
                    return await self._of_the_stable(model, checks)
                async with routed_key(admin, model, embeddings=embeddings) as route:
                    outcomes = await self._observed(admin, route, checks)
                return _with_what_was_left(outcomes, route)
        except AdminRefused as error:
            missing = Outcome(
                Verdict.NOT_CHECKABLE,
                f"the check needs a key of its own that is routed to the new engine: {error}",
            )
            return dict.fromkeys(checks, missing)

    async def _observed(
        self, admin: Admin, route: KeyRoute, checks: Mapping[str, CandidateCheck]
    ) -> dict[str, Outcome]:
        witness = Witness(
            self.serving, self.upstreams, admin, route.key_id, route.how, self.seconds
        )
        outcomes = {}
        async with opened(self.api, name="API", seconds=self.seconds, key=route.key) as provider:
            for line, check in checks.items():

                async def run(check: CandidateCheck = check) -> Outcome:
                    return await check.run(provider)

                outcomes[line] = await witness.observe(check.requests, run)
        return outcomes

    async def _has_candidate(self, admin: Admin, model: str) -> bool:
        """Return whether the new engine serves a model, as candidate or already for everybody."""
        names = await names_of(admin, model)
        for upstream in await admin.entries("/admin/upstreams"):
            for served in upstream.get("models", []):
                if served.get("id") not in names:
                    continue
                if served.get("stack") == "candidate" or upstream.get("name") in self.upstreams:
                    return True
        return False

    async def _of_the_stable(
        self, model: str, checks: Mapping[str, CandidateCheck]
    ) -> dict[str, Outcome]:
        async with opened(self.api, name="API", seconds=self.seconds) as provider:
            outcomes = {line: await check.run(provider) for line, check in checks.items()}
        return {
            line: replace(
                outcome,
                reason=f"{outcome.reason}; by the engine that serves {model} today: the new one is "
                "no candidate of it",
            )
            for line, outcome in outcomes.items()
        }


def asking_of(
    context: UpgradeContext, upstreams: frozenset[str], seconds: float
) -> CandidateAsking | Outcome:
    """Return how the new engine is asked, or why it cannot be."""
    if context.api is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            "[api] is not in upgrade.toml, so there is no running API to ask",
        )
    if context.serving is None:
        return Outcome(
            Verdict.NOT_CHECKABLE,
            "[serving] is not in upgrade.toml, so it is not known which engine is the new one",
        )
    return CandidateAsking(context.api, context.serving, upstreams, seconds)


def _with_what_was_left(outcomes: dict[str, Outcome], route: KeyRoute) -> dict[str, Outcome]:
    if not route.left_behind:
        return outcomes
    said = "; ".join(route.left_behind)
    return {
        line: replace(outcome, reason=f"{outcome.reason}; {said}")
        for line, outcome in outcomes.items()
    }
