"""Kinds of hosts that must get through: each function lays one out, and walks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import DebStore
from upgrade_gates_testing.bench.layouts import (
    DRIVER,
    UBUNTU,
    V535,
    V570,
    debian_host,
    ubuntu_host,
)
from upgrade_gates_testing.bench.walk import Walk, walk
from upgrade_gates_testing.hosts import KERNEL


def ordinary(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store, foreign=()), folder)


def i386(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store), folder)


def without_recommends(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.apt("install", "--no-install-recommends", DRIVER)
    host.boot()
    return walk(host, folder)


def recommends_off(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store, recommends=False), folder)


def held(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.done("apt-mark", "hold", DRIVER, "libnvidia-compute-535-server:i386")
    return walk(host, folder)


def by_this_tool(folder: Path, store: DebStore) -> Walk:
    """A host that this tool has brought from 535 to 570 already, with all holds that it left."""
    host = ubuntu_host(folder, store)
    host.offer(drivers.ubuntu(535, V535), drivers.ubuntu(570, V570))
    earlier = Walk(host, folder / "earlier")
    assert earlier.make_plans(matrix="B").ok
    assert earlier.run("--yes").ok
    host.boot()
    host.offer(drivers.ubuntu(570, V570), UBUNTU)
    return walk(host, folder)


def ready_made(folder: Path, store: DebStore) -> Walk:
    packages = ("nvidia-headless-no-dkms-535-server", "linux-modules-nvidia-535-server-generic")
    return walk(ubuntu_host(folder, store, foreign=(), install=packages), folder)


def no_driver(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.serves = False
    return walk(host, folder)


def run_driver(version: str, *, kept: bool) -> Callable[[Path, DebStore], Walk]:
    """A driver that came from NVIDIA's `.run` file."""

    def make(folder: Path, store: DebStore) -> Walk:
        host = ubuntu_host(folder, store, install=())
        module = f"{host.root}/lib/modules/{KERNEL}/kernel/drivers"
        put = f"/bin/mkdir -p {module}; echo {version} >{module}/nvidia.ko"
        host.host.file("/usr/bin/nvidia-uninstall", f"#!/bin/sh\n/bin/rm -f {module}/nvidia.ko\n")
        (host.root / "usr/bin/nvidia-uninstall").chmod(0o755)
        host.done_shell(put)
        host.boot()

        def keep_file(walked: Walk) -> None:
            folder = walked.scripts[0].parent / "kept"
            folder.mkdir(exist_ok=True)
            file = folder / f"NVIDIA-Linux-x86_64-{version}.run"
            file.write_text(f'#!/bin/sh\n[ "$1" = --check ] || {{ {put}; }}\n')

        return walk(host, folder, before_upgrade=keep_file if kept else None)

    return make


def debian(folder: Path, store: DebStore) -> Walk:
    return walk(debian_host(folder, store), folder)


def debian_tesla(folder: Path, store: DebStore) -> Walk:
    return walk(debian_host(folder, store, tesla=535), folder)
