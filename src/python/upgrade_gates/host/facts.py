"""What a snapshot means: every source understood, and the answers that need several of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from upgrade_gates.host import (
    apt_policy,
    boot,
    dkms,
    gpu_processes,
    kernel,
    kernel_module,
    os_release,
    packages,
    pci,
    secure_boot,
    smi_report,
    smi_table,
)
from upgrade_gates.host.gpu_processes import GpuUser
from upgrade_gates.host.packages import Package
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import APT_POLICY, Snapshot


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A machine, as far as it tells.

    Attributes:
        release: of the running kernel.
        headers: whether modules can be built for it; None if its release is unknown.
        users: processes on the GPUs; those of graphics too.
        nvidia_devices: PCI addresses of NVIDIA's GPUs, with or without a driver.
        uefi: whether the machine started by UEFI; None if it hides that.
        boot_id: new after each reboot.
        reboot_due: packages that wait for a reboot; None if no reboot is due.
    """

    table: smi_table.SmiTable
    report: smi_report.SmiReport
    module: kernel_module.KernelModule
    release: str | None
    headers: bool | None
    secure_boot: SecureBoot
    dkms: dkms.Dkms
    candidates: apt_policy.AptPolicy
    packages: packages.Packages
    holds: frozenset[str]
    users: tuple[GpuUser, ...]
    nvidia_devices: tuple[str, ...]
    os: os_release.OsRelease
    boot_id: str | None
    reboot_due: tuple[str, ...] | None

    @property
    def driver(self) -> str | None:
        """The version that runs: the module's, else what NVML says; None without a driver."""
        return self.module.version or self.report.driver or self.table.driver

    @property
    def driver_packages(self) -> tuple[Package, ...]:
        """The parts of the installed driver."""
        return tuple(each for each in self.packages.installed if each.is_driver)

    @property
    def gpus(self) -> tuple[smi_report.Gpu, ...]:
        """The GPUs that the driver reports in detail."""
        return self.report.gpus


def understand(snapshot: Snapshot) -> HostFacts:
    """Understand a snapshot, whenever it was taken; never raises for what it holds."""
    said = snapshot.output
    release = kernel.parse_release(said(*kernel.COMMAND).text)
    report = smi_report.read_smi_report(said(*smi_report.COMMAND))
    installed = packages.parse_packages(said(*packages.SOURCE).text)
    held = {package.name for package in installed.installed if package.held}
    firmware = said(secure_boot.FIRMWARE)
    return HostFacts(
        table=smi_table.read_smi_table(said(*smi_table.COMMAND)),
        report=report,
        module=kernel_module.parse_kernel_module(said(kernel_module.PATH).text),
        release=release,
        headers=None if release is None else said(kernel.headers_path(release)).usable,
        secure_boot=secure_boot.secure_boot(
            secure_boot.parse_mokutil(said(*secure_boot.COMMAND).said),
            secure_boot.parse_variable(said(secure_boot.VARIABLE).text),
            # A container may hide /sys, and then a missing folder means nothing.
            uefi=True if firmware.usable else None if said(pci.DEVICES).trouble else False,
        ),
        dkms=dkms.parse_dkms(said(*dkms.COMMAND).text),
        candidates=apt_policy.parse_apt_policy(said(*APT_POLICY).text),
        packages=installed,
        holds=packages.parse_holds(said(*packages.HOLDS_COMMAND).text) | held,
        users=tuple(_users(snapshot, report)),
        nvidia_devices=tuple(
            device.address
            for device in pci.parse_pci(said(pci.DEVICES).text)
            if device.is_nvidia_gpu
        ),
        os=os_release.parse_os_release(said(os_release.PATH).text),
        boot_id=boot.parse_boot_id(said(boot.BOOT_ID).text),
        reboot_due=(
            boot.parse_reboot_packages(said(boot.REBOOT_REQUIRED_BY).text)
            if said(boot.REBOOT_REQUIRED).usable
            else None
        ),
    )


def _users(snapshot: Snapshot, report: smi_report.SmiReport) -> Iterator[GpuUser]:
    """Give each process on a GPU once, from both of the driver's lists."""
    apps = gpu_processes.parse_compute_apps(snapshot.output(*gpu_processes.SOURCE).text).rows
    seen = [(app.pid, app.name, app.used_mib) for app in apps]
    seen += [
        (each.pid, each.name, each.used_mib) for gpu in report.gpus for each in gpu.processes or ()
    ]
    accounts = gpu_processes.parse_passwd(
        "\n".join(output.text for output in snapshot.beginning("getent passwd "))
    )
    done: set[int] = set()
    for pid, name, used in seen:
        if pid in done:
            continue
        done.add(pid)
        status = gpu_processes.parse_status(snapshot.output(gpu_processes.status_path(pid)).text)
        group = gpu_processes.parse_cgroup(snapshot.output(gpu_processes.cgroup_path(pid)).text)
        user = None if status.uid is None else accounts.get(status.uid, str(status.uid))
        yield GpuUser(pid, name or status.name, user, group.unit, group.container, used)
