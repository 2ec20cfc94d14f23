"""Does the old engine still answer? It is what a rollback goes back to."""

from __future__ import annotations

from upgrade_gates.context import Serving
from upgrade_gates.engine import opened
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.serving.conformance import check_chat
from upgrade_gates.serving.outcome import Outcome


async def check_old_stack(old: Serving, *, seconds: float) -> Outcome:
    """Ask it one question.

    Raises:
        ContextUnusable: the variable with its key is not set.
    """
    async with opened(old, name="old engine", seconds=seconds) as provider:
        outcome = await check_chat(provider, old.model)
    if outcome.verdict is Verdict.PASS:
        return Outcome(Verdict.PASS, f"{old.url}: {outcome.reason}", outcome.output)
    return Outcome(
        outcome.verdict,
        f"{old.url}: {outcome.reason}; start it again, or there is nothing to go back to",
        outcome.output,
    )
