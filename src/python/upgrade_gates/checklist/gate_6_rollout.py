"""Gate 6: smoke tests, canary, promotion, and a rollback that was tried."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_VERIFY = "upgrade_gates rollout verify"
_API = ("setting:api", "setting:serving", "api_config")
"""Of the API at its address. Its PEX is added by the check, where it was seen to serve there."""

_ROLLOUT = ("setting:api", "setting:serving", "model")
"""Lock and PEX of the engine are added by the check, where gate 3 saw them serve."""

GATE = Gate(
    6,
    "Test, roll out, and be able to go back",
    (
        *summed_up(
            "6.smoke",
            "Smoke tests through the API",
            Line(
                id="6.smoke.chat",
                text="/v1/chat/completions answers for the target model, whole and streamed",
                command=_VERIFY,
                binds=_API,
                days=7,
            ),
            Line(
                id="6.smoke.embeddings",
                text="/v1/embeddings answers",
                command=_VERIFY,
                binds=_API,
                days=7,
                needs="api.embeddings_model",
            ),
            Line(
                id="6.smoke.rerank",
                text="/v1/rerank answers",
                command=_VERIFY,
                binds=_API,
                days=7,
                needs="api.rerank_model",
            ),
            Line(
                id="6.smoke.ocr",
                text="/v1/ocr answers",
                command=_VERIFY,
                binds=_API,
                days=7,
                needs="api.ocr",
            ),
        ),
        *summed_up(
            "6.canary",
            "Canary",
            Line(
                id="6.canary.route",
                text="A share of the traffic, or a set of keys, went to the new stack",
                command=_VERIFY,
                who="person",
                plan="make and start one: POST /admin/rollouts, then /admin/rollouts/ID/start",
                binds=_ROLLOUT,
            ),
            Line(
                id="6.canary.triggers",
                text="Rollback triggers are set: error rate, latency, out of memory",
                command=_VERIFY,
                binds=_ROLLOUT,
            ),
            Line(
                id="6.canary.parity",
                text="Pairs of answers are equivalent, where the plan has `parity`",
                command=_VERIFY,
                binds=_ROLLOUT,
                optional=True,
            ),
        ),
        *summed_up(
            "6.promote",
            "The new stack is the default, and the way back is open",
            Line(
                id="6.promote.default",
                text="The rollout was promoted",
                command=_VERIFY,
                who="person",
                plan="promote it, or let it promote itself: POST /admin/rollouts/ID/promote",
                binds=_ROLLOUT,
            ),
            Line(
                id="6.promote.old-stack",
                text="The old stack still answers",
                command=_VERIFY,
                binds=("setting:old",),
                days=1,
            ),
            Line(
                id="6.promote.rollback",
                text="A rollback was tried, and its flip time is known",
                command=_VERIFY,
                who="person",
                plan="roll a rollout back once: POST /admin/rollouts/ID/rollback",
                binds=_ROLLOUT,
            ),
        ),
    ),
)
