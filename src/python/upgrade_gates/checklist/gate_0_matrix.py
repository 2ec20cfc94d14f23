"""Gate 0: the matrix, the window, the owner, and the way back."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_RECORD = "upgrade_gates record"


def _fact(name: str, text: str) -> Line:
    """Return a line of the host's record, which a month makes too old to go back by."""
    return Line(id=f"0.facts.{name}", text=text, command=_RECORD, days=30, on_host=True)


GATE = Gate(
    0,
    "Choose the matrix, plan the window",
    (
        Line(
            id="0.matrix",
            text="Matrix A or B is chosen, and the reasons are recorded",
            command="upgrade_gates choose-matrix --matrix A|B",
            binds=("setting:matrix", "runtime_lock"),
            on_host=True,
        ),
        Line(
            id="0.window",
            text="A maintenance window is agreed: a new driver needs a reboot",
            command="upgrade_gates choose-matrix --window START/END",
            who="person",
            plan="agree on the window with everyone who uses the host's GPUs",
            binds=("setting:window",),
            ends="window.end",
            used_by=("1.install", "1.reboot"),
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
            _fact("nvidia-smi", "What nvidia-smi says, short and in full"),
            _fact("kernel-module", "What /proc/driver/nvidia/version says"),
            _fact("kernel", "The running kernel (uname -r), and whether a reboot is due"),
            _fact("secure-boot", "Secure Boot: whether the kernel takes unsigned modules"),
            _fact("dkms", "DKMS and kernel headers: how the kernel module comes to be"),
            _fact("processes", "The processes on the GPUs, and whose they are"),
            _fact("packages", "The driver's packages with exact versions, holds, apt's candidates"),
            _fact("snapshot", "All of it in one piece, from which plans are made"),
        ),
    ),
)
