"""Gate 3: the engine serves, alone."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_VERIFY = "upgrade_gates serving verify"
_BINDS = ("setting:serving", "model")
"""Of the server. The lock and the PEX are added by the check, where they were seen to serve."""

GATE = Gate(
    3,
    "The engine serves on its own, before anything is integrated",
    (
        Line(
            id="3.serve",
            text="The engine serves one small model",
            command=_VERIFY,
            who="person",
            plan="start it: dist/vllm_runtime.pex/__main__.py serve MODEL --port 8011",
            binds=_BINDS,
            days=30,
        ),
        *summed_up(
            "3.endpoints",
            "Its endpoints keep to the protocol",
            Line(
                id="3.endpoints.models",
                text="GET /v1/models lists the model",
                command=_VERIFY,
                binds=_BINDS,
                days=30,
            ),
            Line(
                id="3.endpoints.chat",
                text="POST /v1/chat/completions answers",
                command=_VERIFY,
                binds=_BINDS,
                days=30,
            ),
            Line(
                id="3.endpoints.stream",
                text="POST /v1/chat/completions streams: role first, then text, a finish reason, "
                "the usage, and [DONE]",
                command=_VERIFY,
                binds=_BINDS,
                days=30,
            ),
            Line(
                id="3.endpoints.errors",
                text="An unknown model, bad JSON and a bad field are refused with an error object",
                command=_VERIFY,
                binds=_BINDS,
                days=30,
            ),
        ),
        Line(
            id="3.parity",
            text="It gives the same answers as the old engine, or somebody accepts the difference",
            command="upgrade_gates parity verify",
            who="person",
            plan="start both; where one has room: parity record FILE, then parity replay FILE",
            binds=(*_BINDS, "setting:old"),
            days=30,
            needs="old.url",
        ),
        *summed_up(
            "3.baseline",
            "The baseline is measured, and is no worse than the last one",
            Line(
                id="3.baseline.ttft",
                text="Time to first token, and between tokens",
                command=_VERIFY,
                binds=_BINDS,
                days=90,
            ),
            Line(
                id="3.baseline.throughput",
                text="Tokens per second with 1, 4 and 16 requests at once",
                command=_VERIFY,
                binds=_BINDS,
                days=90,
            ),
            Line(
                id="3.baseline.gpu-memory",
                text="GPU memory in use (nvidia-smi)",
                command=_VERIFY,
                binds=_BINDS,
                days=90,
                on_host=True,
            ),
        ),
    ),
)
