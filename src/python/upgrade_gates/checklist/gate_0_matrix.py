"""Gate 0: the matrix, the window, the owner, and the way back."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_RECORD = "upgrade_gates record"

GATE = Gate(
    0,
    "Choose the matrix, plan the window",
    (
        Line(
            id="0.matrix",
            text="Matrix A or B is chosen, and the reasons are recorded",
            command="upgrade_gates choose-matrix",
            binds=("setting:matrix",),
        ),
        Line(
            id="0.window",
            text="A maintenance window is agreed: a new driver needs a reboot",
            command="upgrade_gates choose-matrix --window START/END",
            who="person",
            plan="agree on the window with everyone who uses the host's GPUs",
            binds=("setting:window",),
        ),
        Line(
            id="0.owner",
            text="A named person owns the driver step",
            command="upgrade_gates choose-matrix --owner NAME",
            who="person",
            plan="name the person who will be at the host, with a console that survives a reboot",
            binds=("setting:owner",),
        ),
        *summed_up(
            "0.facts",
            "The present state is recorded, so that there is a way back",
            Line(
                id="0.facts.nvidia-smi",
                text="What nvidia-smi says, short and in full",
                command=_RECORD,
                days=30,
            ),
            Line(
                id="0.facts.kernel-module",
                text="What /proc/driver/nvidia/version says",
                command=_RECORD,
                days=30,
            ),
            Line(
                id="0.facts.kernel",
                text="The running kernel (uname -r)",
                command=_RECORD,
                days=30,
            ),
            Line(
                id="0.facts.host",
                text="Secure Boot, DKMS and headers, GPU processes and their owners, apt's "
                "candidates",
                command=_RECORD,
                days=30,
            ),
        ),
    ),
)
