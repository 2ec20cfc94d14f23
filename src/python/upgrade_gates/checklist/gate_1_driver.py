"""Gate 1: the driver, changed by a person and verified by the program."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, about_the_host, summed_up

_VERIFY = "upgrade_gates driver verify"
_MATRIX = ("setting:matrix",)
_PACKAGES_BACK = "1.rolled-back.packages"


def _rolled_back(name: str, text: str) -> Line:
    """Return a line that counts only after `rollback.sh` has run, and until the next change."""
    return Line(
        id=f"1.rolled-back.{name}",
        text=text,
        command=f"{_VERIFY} --rolled-back",
        binds=_MATRIX,
        overtaken_by="1.install",
        optional=True,
    )


GATE = Gate(
    1,
    "Upgrade the driver, and show that it works",
    about_the_host(
        Line(
            id="1.plan",
            text="The change of the driver is written down for this host, from its record",
            command="upgrade_gates driver plan",
            binds=("setting:matrix", "setting:window", "setting:owner"),
        ),
        Line(
            id="1.rollback-plan",
            text="The way back to the present driver is written down for this host",
            command="upgrade_gates driver rollback-plan",
            binds=_MATRIX,
        ),
        Line(
            id="1.install",
            text="The driver series of the matrix is installed, from the distribution's packages",
            command=_VERIFY,
            who="person",
            plan="in the window, the owner runs `upgrade.sh --dry-run` and then "
            "`upgrade.sh --yes`, which `driver plan` wrote",
            binds=_MATRIX,
            overtaken_by=_PACKAGES_BACK,
        ),
        Line(
            id="1.reboot",
            text="The host was rebooted after that",
            command=_VERIFY,
            who="person",
            plan="the owner reboots",
            binds=_MATRIX,
            overtaken_by=_PACKAGES_BACK,
        ),
        *summed_up(
            "1.validate",
            "The GPU can be used",
            Line(
                id="1.validate.series",
                text="nvidia-smi shows the expected driver series, and the kernel module is the "
                "same version",
                command=_VERIFY,
                binds=_MATRIX,
                overtaken_by=_PACKAGES_BACK,
            ),
            Line(
                id="1.validate.cuda",
                text="nvidia-smi shows a CUDA version, and it is enough for the matrix",
                command=_VERIFY,
                binds=_MATRIX,
                overtaken_by=_PACKAGES_BACK,
            ),
            Line(
                id="1.validate.torch",
                text="A trivial torch computation runs on every GPU, in a clean environment",
                command=f"{_VERIFY} --runtime PEX",
                binds=_MATRIX,
                overtaken_by=_PACKAGES_BACK,
            ),
        ),
        *summed_up(
            "1.rolled-back",
            "If the change was undone: the host is again as its record says",
            _rolled_back("packages", "Every package has the version of the record"),
            _rolled_back("reboot", "The host was rebooted after that"),
            _rolled_back("driver", "nvidia-smi and the kernel module are the recorded driver"),
        ),
    ),
)
