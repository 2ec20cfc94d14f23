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
    platform,
    secure_boot,
    smi_report,
    smi_table,
)
from upgrade_gates.host.gpu_processes import GpuUser
from upgrade_gates.host.packages import Package
from upgrade_gates.host.platform import Platform
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import APT_POLICY, INSTALLER, Snapshot


@dataclass(frozen=True, slots=True)
class HostFacts:
    """A machine, as far as it tells.

    Attributes:
        release: of the running kernel.
        headers: whether modules can be built for it; None if its release is unknown.
        users: processes on the GPUs; those of graphics too.
        holds: names of packages on hold, with the architecture of a foreign one.
        automatic: names of packages that came along with others.
        half_way: packages that dpkg left half installed or half configured, with their state.
        installed_by_run: whether NVIDIA's own installer has left its way to remove the driver.
        nvidia_devices: PCI addresses of NVIDIA's GPUs, with or without a driver.
        expected_devices: those of them that the NVIDIA driver should report.
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
    automatic: frozenset[str]
    half_way: tuple[str, ...]
    installed_by_run: bool
    users: tuple[GpuUser, ...]
    nvidia_devices: tuple[str, ...]
    expected_devices: tuple[str, ...]
    platform: Platform
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
    def installer(self) -> str | None:
        """What removes a driver that no package brought; None if packages did, or nobody knows."""
        unpackaged = self.driver is not None and not self.driver_packages
        return INSTALLER if unpackaged and self.installed_by_run else None

    @property
    def strangers(self) -> tuple[Package, ...]:
        """Packages of a driver's core that are of another version than the one that runs."""
        if self.driver is None:
            return ()
        core = ((each, packages.driver_version(each.version)) for each in self.driver_packages)
        return tuple(
            each
            for each, version in core
            if each.is_core and version is not None and version != self.driver
        )

    @property
    def silent_devices(self) -> tuple[str, ...]:
        """GPUs on the bus that the driver should report, and does not."""
        told = {pci.comparable(gpu.bus_id) for gpu in self.gpus if gpu.bus_id}
        return tuple(each for each in self.expected_devices if pci.comparable(each) not in told)

    @property
    def gpus(self) -> tuple[smi_report.Gpu, ...]:
        """The GPUs that the driver reports in detail."""
        return self.report.gpus


def understand(snapshot: Snapshot) -> HostFacts:
    """Understand a snapshot, whenever it was taken; never raises for what it holds."""
    said = snapshot.output
    release = kernel.parse_release(said(*kernel.COMMAND).text)
    report = smi_report.read_smi_report(said(*smi_report.COMMAND))
    native = packages.parse_architecture(said(*packages.ARCHITECTURE_COMMAND).text)
    installed = packages.parse_packages(said(*packages.SOURCE).text, native)
    devices = pci.parse_pci(said(pci.DEVICES).text)
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
        holds=packages.parse_names(said(*packages.HOLDS_COMMAND).text) | held,
        automatic=packages.parse_names(said(*packages.AUTOMATIC_COMMAND).text),
        half_way=tuple(said(*packages.STATES_SOURCE).text.splitlines()),
        installed_by_run=said(INSTALLER).usable,
        users=tuple(_users(snapshot, report)),
        nvidia_devices=tuple(each.address for each in devices if each.is_nvidia_gpu),
        expected_devices=tuple(each.address for each in devices if each.is_for_nvidia_driver),
        platform=platform.find_platform(
            release,
            said(platform.TEGRA_RELEASE).text,
            said(platform.MODEL).text,
            said(platform.COMPATIBLE).text,
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
