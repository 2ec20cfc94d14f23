"""Running a comparison of two engines, or of an engine with a recording, to its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from answer_parity.contract import compare_contracts
from answer_parity.verdict import Measurements, Verdict, judge
from upgrade_gates.parity.comparison import Comparison, Plan
from upgrade_gates.parity.engine import Engine
from upgrade_gates.parity.retrieval import TEXTS, compare_retrieval, is_retrieval


@dataclass(frozen=True)
class Result:
    """What came of it.

    Attributes:
        versions: of both engines; None where one does not tell.
    """

    verdict: Verdict
    measured: Measurements
    versions: Mapping[str, str | None]


async def run(
    old: Engine,
    new: Engine,
    plan: Plan,
    margin: float,
    *,
    texts: Sequence[str] | None = None,
    stored: Sequence[tuple[str, list[float]]] = (),
) -> Result:
    """Ask both engines, judge, and close them.

    Embedders and rerankers are recognised by their responses.

    Args:
        texts: what embedders are compared by; None for the built-in ones.
        stored: texts with their vectors in an index.

    Raises:
        EngineUnusable: one does not answer.
        RecordingUnusable: one is a recording, and lacks what is asked.
    """
    try:
        versions = {"old": await old.version(), "new": await new.version()}
        with Console(stderr=True).status("comparing") as status:
            if await is_retrieval(old):
                measured = await compare_retrieval(old, new, texts or TEXTS, stored)
            else:
                comparison = Comparison(old, new, plan, lambda line: status.update(line))
                measured = await comparison.run()
        left, right = await old.contract(), await new.contract()
    finally:
        await old.close()
        await new.close()
    if left is not None and right is not None:
        measured = replace(measured, changes=compare_contracts(left, right))
    return Result(judge(measured, margin), measured, versions)
