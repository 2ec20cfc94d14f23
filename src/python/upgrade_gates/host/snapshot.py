"""Everything that a machine says at one moment, kept raw."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from upgrade_gates.host import (
    boot,
    dkms,
    gpu_processes,
    kernel,
    kernel_module,
    os_release,
    packages,
    pci,
    platform,
    secure_boot,
    smi_report,
    smi_table,
)
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.output import Output, Trouble

MACHINE_ID = "/etc/machine-id"
MACHINE_SALT = "querylake-upgrade-gates:"
"""The id itself must not leave a machine, says machine-id(5), but a digest of it may."""

INSTALLER = "/usr/bin/nvidia-uninstall"
"""What NVIDIA's own installer (a `.run` file) leaves to remove its driver by."""

NODE_NAME = ("uname", "-n")
APT_NAMES = ("apt-cache", "pkgnames")
APT_POLICY = ("apt-cache", "policy")

_DRIVER_PACKAGE = re.compile(
    r"(?:nvidia-driver(?:-assistant)?|nvidia-headless(?:-no-dkms)?|nvidia-open|cuda-drivers"
    r"|nvidia-fabricmanager|libnvidia-nscq|nvidia-imex|nvidia-utils)"
    r"(?:-[0-9]{3})?(?:-server)?(?:-open)?"
    r"|nvidia-(?:tesla|legacy)(?:-[0-9]{3}(?:xx)?)?-driver"
    r"|linux-modules-nvidia-[0-9]{3}(?:-server)?(?:-open)?-[a-z][a-z0-9.-]*"
)
"""Packages that a person installs; all others come along with them."""


class Snapshot(BaseModel):
    """What a machine said.

    Attributes:
        host: the machine's name.
        machine: a digest of the machine's id, the same for as long as it is not installed anew;
            None if it has none.
        outputs: one for each source, in the order in which they were asked.
    """

    model_config = ConfigDict(frozen=True)

    taken_at: datetime
    host: str
    machine: str | None
    outputs: tuple[Output, ...]

    def output(self, *source: str) -> Output:
        """Return what a command or a path said; what was not asked is missing."""
        wanted = shlex.join(source)
        for output in self.outputs:
            if output.source == wanted:
                return output
        return Output(source=wanted, trouble=Trouble.MISSING)

    def beginning(self, prefix: str) -> tuple[Output, ...]:
        """Return what all sources said whose names begin so."""
        return tuple(output for output in self.outputs if output.source.startswith(prefix))


def take_snapshot(machine: Machine, *, now: datetime, also: Iterable[str] = ()) -> Snapshot:
    """Ask a machine everything. Takes as long as its slowest tools do.

    Args:
        also: packages to be looked at beside those of the driver and the kernels.
    """
    named = sorted({name.partition(":")[0] for name in also})
    node = machine.run(*NODE_NAME)
    outputs = [
        machine.run(*smi_table.COMMAND),
        machine.run(*smi_report.COMMAND),
        _filed(machine.run(*gpu_processes.COMMAND), gpu_processes.SOURCE),
        machine.read(kernel_module.PATH),
        machine.run(*kernel.COMMAND),
        machine.read(kernel.PATH),
        machine.run(*secure_boot.COMMAND),
        machine.read_hex(secure_boot.VARIABLE),
        machine.exists(secure_boot.FIRMWARE),
        machine.run(*dkms.COMMAND),
        _filed(machine.run(*packages.COMMAND, *named), packages.SOURCE),
        machine.run(*packages.HOLDS_COMMAND),
        machine.run(*packages.AUTOMATIC_COMMAND),
        machine.run(*packages.ARCHITECTURE_COMMAND),
        _half_way(machine),
        machine.exists(INSTALLER),
        machine.read(platform.TEGRA_RELEASE),
        machine.read(platform.MODEL),
        machine.read(platform.COMPATIBLE),
        machine.read(os_release.PATH),
        machine.read(boot.BOOT_ID),
        machine.read(boot.REBOOT_REQUIRED),
        machine.read(boot.REBOOT_REQUIRED_BY),
        _pci(machine),
        _candidates(machine),
    ]
    outputs += _headers(machine, outputs)
    outputs += _owners(machine, outputs)
    return Snapshot(
        taken_at=now,
        host=node.text.strip() or "unknown",
        machine=machine_digest(machine),
        outputs=tuple(outputs),
    )


def machine_digest(machine: Machine) -> str | None:
    """Return the digest that tells one machine from another; None if it has no id."""
    machine_id = machine.read(MACHINE_ID).text.strip()
    if not machine_id:
        return None
    return hashlib.sha256(f"{MACHINE_SALT}{machine_id}".encode()).hexdigest()


def _headers(machine: Machine, outputs: Iterable[Output]) -> list[Output]:
    said = next(each for each in outputs if each.source == shlex.join(kernel.COMMAND))
    release = kernel.parse_release(said.text)
    return [] if release is None else [machine.exists(kernel.headers_path(release))]


def _owners(machine: Machine, outputs: Iterable[Output]) -> list[Output]:
    """Ask whose the processes on the GPUs are."""
    pids: set[int] = set()
    for output in outputs:
        if output.source == shlex.join(gpu_processes.SOURCE):
            pids.update(row.pid for row in gpu_processes.parse_compute_apps(output.text).rows)
        elif output.source == shlex.join(smi_report.COMMAND):
            for gpu in smi_report.parse_smi_report(output.text).gpus:
                pids.update(process.pid for process in gpu.processes or ())
    statuses = [machine.read(gpu_processes.status_path(pid)) for pid in sorted(pids)]
    groups = [machine.read(gpu_processes.cgroup_path(pid)) for pid in sorted(pids)]
    uids = {gpu_processes.parse_status(status.text).uid for status in statuses} - {None}
    accounts = [machine.run(*gpu_processes.ACCOUNT, str(uid)) for uid in sorted(map(str, uids))]
    return [*statuses, *groups, *accounts]


def _pci(machine: Machine) -> Output:
    """List the PCI devices as lines of address, vendor, class and driver."""
    names = machine.names(pci.DEVICES)
    lines = (_pci_line(machine, name) for name in names.text.splitlines())
    return names.model_copy(update={"text": "\n".join(lines)})


def _pci_line(machine: Machine, name: str) -> str:
    place = f"{pci.DEVICES}/{name}"
    values = [machine.read(f"{place}/{part}").text.strip() for part in ("vendor", "class")]
    driver = machine.target(f"{place}/driver").text or pci.NO_DRIVER
    virtual = ["virtual"] if machine.exists(f"{place}/physfn").usable else []
    return " ".join([name, *values, driver, *virtual])


def _half_way(machine: Machine) -> Output:
    """Ask for the states of all packages, and keep those that are not whole."""
    said = machine.run(*packages.STATES_COMMAND)
    return _filed(
        said.model_copy(update={"text": "\n".join(packages.parse_states(said.text))}),
        packages.STATES_SOURCE,
    )


def _candidates(machine: Machine) -> Output:
    """Ask apt about every package by which a driver is installed."""
    known = machine.run(*APT_NAMES)
    names = sorted(name for name in known.text.split() if _DRIVER_PACKAGE.fullmatch(name))
    if not known.usable or not names:
        return _filed(known.model_copy(update={"text": ""}), APT_POLICY)
    return _filed(machine.run(*APT_POLICY, *names), APT_POLICY)


def _filed(output: Output, source: tuple[str, ...]) -> Output:
    """Return the same under a shorter name, by which it is found again."""
    return output.model_copy(update={"source": shlex.join(source)})
