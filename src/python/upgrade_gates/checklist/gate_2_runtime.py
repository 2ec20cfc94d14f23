"""Gate 2: a clean environment for the engine."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_VERIFY = "upgrade_gates runtime verify"
_BINDS = ("runtime_lock", "runtime_pex")
_INSTALLED = (*_BINDS, "setting:matrix")

GATE = Gate(
    2,
    "A clean environment for the engine, apart from the API's",
    (
        Line(
            id="2.environment",
            text="The engine has an environment of its own: one PEX, made from one lock",
            command=_VERIFY,
            binds=_BINDS,
        ),
        *summed_up(
            "2.install",
            "It holds what the matrix asks for",
            Line(
                id="2.install.torch",
                text="torch is the version that the lock pins, for the matrix's CUDA",
                command=_VERIFY,
                binds=_INSTALLED,
            ),
            Line(
                id="2.install.vllm",
                text="vLLM is the version that the lock pins",
                command=_VERIFY,
                binds=_INSTALLED,
            ),
        ),
        *summed_up(
            "2.sanity",
            "It imports cleanly",
            Line(
                id="2.sanity.torch",
                text="torch imports, and sees a CUDA device",
                command=_VERIFY,
                binds=_BINDS,
                on_host=True,
            ),
            Line(
                id="2.sanity.vllm",
                text="vLLM imports, its compiled part too",
                command=_VERIFY,
                binds=_BINDS,
                on_host=True,
            ),
        ),
    ),
)
