"""Kinds of hosts on which something is wrong or goes wrong: each is laid out, and walked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from upgrade_gates_testing import host_texts, smi_reports, smi_tables
from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import Deb, DebStore
from upgrade_gates_testing.bench.host import BenchHost
from upgrade_gates_testing.bench.layouts import (
    UBUNTU,
    V535,
    V580_LATER,
    WITHOUT_535,
    offer_newer_libdrm,
    ubuntu_host,
)
from upgrade_gates_testing.bench.walk import Walk, walk
from upgrade_gates_testing.hosts import KERNEL


def held_other(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    offer_newer_libdrm(host)
    host.done("apt-mark", "hold", "libdrm2")
    return walk(host, folder)


def archive_dropped_old(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.offer(WITHOUT_535)
    host.repacks()
    return walk(host, folder)


def archive_dropped_old_no_repack(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.offer(WITHOUT_535)
    return walk(host, folder)


def archive_moved_on(folder: Path, store: DebStore) -> Walk:
    def move(walked: Walk) -> None:
        walked.host.offer(
            drivers.ubuntu(535, V535), drivers.ubuntu(580, V580_LATER), drivers.settings()
        )

    return walk(ubuntu_host(folder, store), folder, before_upgrade=move)


def dkms_fails(folder: Path, store: DebStore) -> Walk:
    def break_builds(walked: Walk) -> None:
        walked.host.host.file(drivers.BROKEN_BUILD, "")

    def mend_builds(walked: Walk) -> None:
        (walked.host.root / drivers.BROKEN_BUILD).unlink()

    host = ubuntu_host(folder, store)
    return walk(host, folder, before_upgrade=break_builds, after_upgrade=mend_builds)


def broken_off(folder: Path, store: DebStore) -> Walk:
    """dpkg is killed when it unpacks the new user-space half."""
    killer = '#!/bin/sh\n[ ! -e "$DPKG_ROOT/etc/bench/kill" ] || kill -9 $PPID\n'
    debs = [
        (
            Deb(
                deb.name,
                deb.version,
                deb.architecture,
                deb.relations,
                deb.files,
                (("preinst", killer),),
            )
            if deb.name == "nvidia-utils-580-server"
            else deb
        )
        for deb in UBUNTU
    ]
    host = ubuntu_host(folder, store)
    host.offer(debs)

    def arm(walked: Walk) -> None:
        walked.host.host.file("/etc/bench/kill", "")

    def disarm(walked: Walk) -> None:
        (walked.host.root / "etc/bench/kill").unlink()

    return walk(host, folder, before_upgrade=arm, after_upgrade=disarm)


def half_configured(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    status = host.root / "var/lib/dpkg/status"
    entries = status.read_text().split("\n\n")
    broken = [
        (
            each.replace("install ok installed", "install ok half-configured")
            if each.startswith("Package: nvidia-utils-535-server\n")
            else each
        )
        for each in entries
    ]
    status.write_text("\n\n".join(broken))
    return walk(host, folder)


def dkms_state(state: str) -> Callable[[Path, DebStore], Walk]:
    def make(folder: Path, store: DebStore) -> Walk:
        host = ubuntu_host(folder, store)
        host.program("dkms", f"echo {state!r}")
        return walk(host, folder)

    return make


def run_over_packages(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    place = f"{host.root}/lib/modules/{KERNEL}/updates/dkms/nvidia.ko"
    host.done_shell(f"echo 550.90.07 >{place}")
    host.boot()
    return walk(host, folder)


def lost_gpu(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.boot(reported=1)
    return walk(host, folder)


def jetson(folder: Path, store: DebStore) -> Walk:
    host = BenchHost(folder / "host", store, gpus=0)
    host.host.file("/etc/nv_tegra_release", host_texts.TEGRA_RELEASE)
    host.offer(UBUNTU)
    host.host.tool("nvidia-smi", {"": smi_tables.JETSON_540, "*": ""})
    return walk(host, folder)


def wsl(folder: Path, store: DebStore) -> Walk:
    host = BenchHost(folder / "host", store, gpus=0)
    host.host.tool("uname", {"-r": "5.15.153.1-microsoft-standard-WSL2\n", "-n": "desk\n"})
    host.offer(UBUNTU)
    report = smi_reports.report("560.94", "12.6", [smi_reports.gpu()])
    table = smi_tables.wide("560.94", "12.6", smi="560.35.02")
    host.host.tool("nvidia-smi", {"": table, "-q -x": report, "*": ""})
    return walk(host, folder)


def rocky(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.host.file("/etc/os-release", host_texts.OS_ROCKY)
    return walk(host, folder)
