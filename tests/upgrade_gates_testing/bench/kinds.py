"""The kinds of hosts on the bench, and how far each must get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upgrade_gates_testing.bench import good_hosts, troubled_hosts
from upgrade_gates_testing.bench.debs import DebStore
from upgrade_gates_testing.bench.walk import Walk
from upgrade_gates_testing.hosts import KERNEL


@dataclass(frozen=True)
class Kind:
    """A kind of host.

    Attributes:
        name: for the table.
        make: lays it out, and walks.
        ends: words that a step must say instead of ending well, by step; a step that is not named
            must end well or, after one that did not, not be taken.
    """

    name: str
    make: Callable[[Path, DebStore], Walk]
    ends: Mapping[str, str] = field(default_factory=dict)


KINDS = (
    Kind("Ubuntu, amd64 alone", good_hosts.ordinary),
    Kind("Ubuntu, i386 libraries beside amd64", good_hosts.i386),
    Kind("Ubuntu with i386, installed without Recommends", good_hosts.without_recommends),
    Kind("Ubuntu with i386, Recommends switched off", good_hosts.recommends_off),
    Kind("driver packages on hold, one of i386", good_hosts.held),
    Kind("upgraded before by this tool (570, all on hold)", good_hosts.by_this_tool),
    Kind(
        "another package on hold in the way",
        troubled_hosts.held_other,
        {"plan": "apt would have to change libdrm2, which is on hold"},
    ),
    Kind("Ubuntu's ready-made modules, headless", good_hosts.ready_made),
    Kind("GPUs without any driver", good_hosts.no_driver),
    Kind("archive dropped the old version, with dpkg-repack", troubled_hosts.archive_dropped_old),
    Kind(
        "archive dropped the old version, without dpkg-repack",
        troubled_hosts.archive_dropped_old_no_repack,
        {"dry run": "dpkg-repack", "upgrade": "apt-get install dpkg-repack"},
    ),
    Kind(
        "archive moved on after the plan",
        troubled_hosts.archive_moved_on,
        {"upgrade": "where the archive has moved on, record again"},
    ),
    Kind(
        "DKMS cannot build the new module",
        troubled_hosts.dkms_fails,
        {"upgrade": "Do not reboot. To go back"},
    ),
    Kind(
        "dpkg killed half-way", troubled_hosts.broken_off, {"upgrade": "Do not reboot. To go back"}
    ),
    Kind(
        "a package half-configured",
        troubled_hosts.half_configured,
        {"plan": "nvidia-utils-535-server (iF); run `dpkg --configure -a`"},
    ),
    Kind(
        "DKMS has the module added only",
        troubled_hosts.dkms_state("nvidia/535.183.01: added"),
        {"plan": f"none is installed for the running kernel {KERNEL}"},
    ),
    Kind(
        "DKMS has the module broken",
        troubled_hosts.dkms_state(f"nvidia/535.183.01, {KERNEL}, x86_64: broken"),
        {"plan": f"none is installed for the running kernel {KERNEL}"},
    ),
    Kind(
        "NVIDIA's .run driver 550, its file kept",
        good_hosts.run_driver("550.90.07", kept=True),
        {"dry run": "NVIDIA-Linux-"},
    ),
    Kind(
        "NVIDIA's .run driver 550, its file lost",
        good_hosts.run_driver("550.90.07", kept=False),
        {"dry run": "NVIDIA-Linux-", "upgrade": "its file is the only way back"},
    ),
    Kind("NVIDIA's .run driver 580, good already", good_hosts.run_driver("580.95.05", kept=False)),
    Kind(
        ".run driver 550 over packages of 535",
        troubled_hosts.run_over_packages,
        {"plan": "driver 550.90.07 runs, and is not of these packages"},
    ),
    Kind("Debian, nvidia-current to NVIDIA's packages", good_hosts.debian),
    Kind("Debian, nvidia-tesla-535 to NVIDIA's packages", good_hosts.debian_tesla),
    Kind(
        "a lost GPU beside a working one",
        troubled_hosts.lost_gpu,
        {"plan": "2 NVIDIA GPUs are on the bus, and the driver does not report 0000:29:00.0"},
    ),
    Kind(
        "Jetson", troubled_hosts.jetson, {"plan": "this is a Jetson; its driver is part of JetPack"}
    ),
    Kind(
        "WSL",
        troubled_hosts.wsl,
        {"plan": "this is the Windows Subsystem for Linux; the driver is the one of"},
    ),
    Kind("Rocky Linux", troubled_hosts.rocky, {"plan": "change the driver with dnf"}),
)
