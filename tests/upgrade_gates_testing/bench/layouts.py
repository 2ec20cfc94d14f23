"""Hosts as they are laid out before the gates are walked, and the versions that they have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from upgrade_gates_testing import host_texts
from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import Deb, DebStore
from upgrade_gates_testing.bench.host import BenchHost

V535 = "535.183.01-0ubuntu0.22.04.1"
V535_LATER = "535.288.01-0ubuntu0.22.04.1"
V570 = "570.133.20-0ubuntu0.22.04.1"
V580 = "580.95.05-0ubuntu0.22.04.1"
V580_LATER = "580.126.09-0ubuntu0.22.04.1"
DRIVER = "nvidia-driver-535-server"

UBUNTU = (*drivers.ubuntu(535, V535), *drivers.ubuntu(580, V580), *drivers.settings())
WITHOUT_535 = (
    *drivers.ubuntu(535, V535_LATER),
    *drivers.ubuntu(580, V580),
    *drivers.settings(),
)


def ubuntu_host(
    folder: Path,
    store: DebStore,
    *,
    foreign: tuple[str, ...] = ("i386",),
    recommends: bool = True,
    install: tuple[str, ...] = (DRIVER,),
) -> BenchHost:
    """Return a server with Ubuntu's driver 535, and 580 in its archive."""
    host = BenchHost(folder / "host", store, foreign=foreign, recommends=recommends)
    host.offer(UBUNTU)
    if install:
        host.apt("install", *install)
    host.boot()
    return host


def debian_host(folder: Path, store: DebStore, *, tesla: int | None = None) -> BenchHost:
    """Return a server with Debian's driver 535, and NVIDIA's 580 in its archives."""
    host = BenchHost(folder / "host", store)
    host.host.file("/etc/os-release", host_texts.OS_DEBIAN)
    old = drivers.debian("535.216.01-1~deb12u1", tesla=tesla)
    host.offer(old)
    host.apt("install", "nvidia-driver" if tesla is None else f"nvidia-tesla-{tesla}-driver")
    host.boot()
    host.offer(old, drivers.debian("580.95.05-1", by_nvidia=True))
    return host


def offer_newer_libdrm(host: BenchHost) -> None:
    """Have the new driver need a library that is newer than the host's."""
    newer = [
        Deb("libdrm2", "2.4.120-1", each, (("Multi-Arch", "same"),)) for each in drivers.TRIPLETS
    ]
    needing = [
        _needs_newer(deb) if deb.name == "libnvidia-gl-580-server" else deb for deb in UBUNTU
    ]
    host.offer(newer, needing)


def _needs_newer(deb: Deb) -> Deb:
    relations = tuple(
        (name, "libdrm2 (>= 2.4.120)" if name == "Depends" else value)
        for name, value in deb.relations
    )
    return replace(deb, relations=relations)
