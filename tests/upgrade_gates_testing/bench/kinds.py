"""The kinds of hosts on the bench, and how far each must get."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upgrade_gates_testing import host_texts, smi_reports, smi_tables
from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import Deb, DebStore
from upgrade_gates_testing.bench.host import BenchHost
from upgrade_gates_testing.bench.walk import Walk, walk
from upgrade_gates_testing.hosts import KERNEL

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


def _ordinary(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store, foreign=()), folder)


def _i386(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store), folder)


def _without_recommends(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.apt("install", "--no-install-recommends", DRIVER)
    host.boot()
    return walk(host, folder)


def _recommends_off(folder: Path, store: DebStore) -> Walk:
    return walk(ubuntu_host(folder, store, recommends=False), folder)


def _held(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.done("apt-mark", "hold", DRIVER, "libnvidia-compute-535-server:i386")
    return walk(host, folder)


def _by_this_tool(folder: Path, store: DebStore) -> Walk:
    """A host that this tool has brought from 535 to 570 already, with all holds that it left."""
    host = ubuntu_host(folder, store)
    host.offer(drivers.ubuntu(535, V535), drivers.ubuntu(570, V570))
    earlier = Walk(host, folder / "earlier")
    assert earlier.make_plans(matrix="B").ok
    assert earlier.run("--yes").ok
    host.boot()
    host.offer(drivers.ubuntu(570, V570), UBUNTU)
    return walk(host, folder)


def _held_other(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    newer = [
        Deb("libdrm2", "2.4.120-1", each, (("Multi-Arch", "same"),)) for each in drivers.TRIPLETS
    ]
    needing = [
        _needs_newer(deb) if deb.name == "libnvidia-gl-580-server" else deb for deb in UBUNTU
    ]
    host.archive.offer([*drivers.base_packages(), *newer, *needing])
    host.apt("update")
    host.done("apt-mark", "hold", "libdrm2")
    return walk(host, folder)


def _needs_newer(deb: Deb) -> Deb:
    relations = tuple(
        (name, "libdrm2 (>= 2.4.120)" if name == "Depends" else value)
        for name, value in deb.relations
    )
    return Deb(deb.name, deb.version, deb.architecture, relations, deb.files, deb.scripts)


def _ready_made(folder: Path, store: DebStore) -> Walk:
    packages = ("nvidia-headless-no-dkms-535-server", "linux-modules-nvidia-535-server-generic")
    return walk(ubuntu_host(folder, store, foreign=(), install=packages), folder)


def _no_driver(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.serves = False
    return walk(host, folder)


def _archive_dropped_old(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.offer(WITHOUT_535)
    host.repacks()
    return walk(host, folder)


def _archive_dropped_old_no_repack(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.offer(WITHOUT_535)
    return walk(host, folder)


def _archive_moved_on(folder: Path, store: DebStore) -> Walk:
    def move(walked: Walk) -> None:
        walked.host.offer(
            drivers.ubuntu(535, V535), drivers.ubuntu(580, V580_LATER), drivers.settings()
        )

    return walk(ubuntu_host(folder, store), folder, before_upgrade=move)


def _dkms_fails(folder: Path, store: DebStore) -> Walk:
    def break_builds(walked: Walk) -> None:
        walked.host.host.file(drivers.BROKEN_BUILD, "")

    def mend_builds(walked: Walk) -> None:
        (walked.host.root / drivers.BROKEN_BUILD).unlink()

    host = ubuntu_host(folder, store)
    return walk(host, folder, before_upgrade=break_builds, after_upgrade=mend_builds)


def _broken_off(folder: Path, store: DebStore) -> Walk:
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


def _half_configured(folder: Path, store: DebStore) -> Walk:
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


def _dkms_state(state: str) -> Callable[[Path, DebStore], Walk]:
    def make(folder: Path, store: DebStore) -> Walk:
        host = ubuntu_host(folder, store)
        host.program("dkms", f"echo {state!r}")
        return walk(host, folder)

    return make


def _run_driver(version: str, *, kept: bool) -> Callable[[Path, DebStore], Walk]:
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


def _run_over_packages(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    place = f"{host.root}/lib/modules/{KERNEL}/updates/dkms/nvidia.ko"
    host.done_shell(f"echo 550.90.07 >{place}")
    host.boot()
    return walk(host, folder)


def _debian_host(folder: Path, store: DebStore, *, tesla: int | None = None) -> BenchHost:
    host = BenchHost(folder / "host", store)
    host.host.file("/etc/os-release", host_texts.OS_DEBIAN)
    old = drivers.debian("535.216.01-1~deb12u1", tesla=tesla)
    host.offer(old)
    host.apt("install", "nvidia-driver" if tesla is None else f"nvidia-tesla-{tesla}-driver")
    host.boot()
    host.offer(old, drivers.debian("580.95.05-1", by_nvidia=True))
    return host


def _debian(folder: Path, store: DebStore) -> Walk:
    return walk(_debian_host(folder, store), folder)


def _debian_tesla(folder: Path, store: DebStore) -> Walk:
    return walk(_debian_host(folder, store, tesla=535), folder)


def _lost_gpu(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store)
    host.boot(reported=1)
    return walk(host, folder)


def _jetson(folder: Path, store: DebStore) -> Walk:
    host = BenchHost(folder / "host", store, gpus=0)
    host.host.file("/etc/nv_tegra_release", host_texts.TEGRA_RELEASE)
    host.offer(UBUNTU)
    host.host.tool("nvidia-smi", {"": smi_tables.JETSON_540, "*": ""})
    return walk(host, folder)


def _wsl(folder: Path, store: DebStore) -> Walk:
    host = BenchHost(folder / "host", store, gpus=0)
    host.host.tool("uname", {"-r": "5.15.153.1-microsoft-standard-WSL2\n", "-n": "desk\n"})
    host.offer(UBUNTU)
    report = smi_reports.report("560.94", "12.6", [smi_reports.gpu()])
    table = smi_tables.wide("560.94", "12.6", smi="560.35.02")
    host.host.tool("nvidia-smi", {"": table, "-q -x": report, "*": ""})
    return walk(host, folder)


def _rocky(folder: Path, store: DebStore) -> Walk:
    host = ubuntu_host(folder, store, install=())
    host.host.file("/etc/os-release", host_texts.OS_ROCKY)
    return walk(host, folder)


KINDS = (
    Kind("Ubuntu, amd64 alone", _ordinary),
    Kind("Ubuntu, i386 libraries beside amd64", _i386),
    Kind("Ubuntu with i386, installed without Recommends", _without_recommends),
    Kind("Ubuntu with i386, Recommends switched off", _recommends_off),
    Kind("driver packages on hold, one of i386", _held),
    Kind("upgraded before by this tool (570, all on hold)", _by_this_tool),
    Kind(
        "another package on hold in the way",
        _held_other,
        {"plan": "apt would have to change libdrm2, which is on hold"},
    ),
    Kind("Ubuntu's ready-made modules, headless", _ready_made),
    Kind("GPUs without any driver", _no_driver),
    Kind("archive dropped the old version, with dpkg-repack", _archive_dropped_old),
    Kind(
        "archive dropped the old version, without dpkg-repack",
        _archive_dropped_old_no_repack,
        {"dry run": "dpkg-repack", "upgrade": "apt-get install dpkg-repack"},
    ),
    Kind(
        "archive moved on after the plan",
        _archive_moved_on,
        {"upgrade": "where the archive has moved on, record again"},
    ),
    Kind("DKMS cannot build the new module", _dkms_fails, {"upgrade": "Do not reboot. To go back"}),
    Kind("dpkg killed half-way", _broken_off, {"upgrade": "Do not reboot. To go back"}),
    Kind(
        "a package half-configured",
        _half_configured,
        {"plan": "nvidia-utils-535-server (iF); run `dpkg --configure -a`"},
    ),
    Kind(
        "DKMS has the module added only",
        _dkms_state("nvidia/535.183.01: added"),
        {"plan": f"none is installed for the running kernel {KERNEL}"},
    ),
    Kind(
        "DKMS has the module broken",
        _dkms_state(f"nvidia/535.183.01, {KERNEL}, x86_64: broken"),
        {"plan": f"none is installed for the running kernel {KERNEL}"},
    ),
    Kind(
        "NVIDIA's .run driver 550, its file kept",
        _run_driver("550.90.07", kept=True),
        {"dry run": "NVIDIA-Linux-"},
    ),
    Kind(
        "NVIDIA's .run driver 550, its file lost",
        _run_driver("550.90.07", kept=False),
        {"dry run": "NVIDIA-Linux-", "upgrade": "its file is the only way back"},
    ),
    Kind("NVIDIA's .run driver 580, good already", _run_driver("580.95.05", kept=False)),
    Kind(
        ".run driver 550 over packages of 535",
        _run_over_packages,
        {"plan": "driver 550.90.07 runs, and is not of these packages"},
    ),
    Kind("Debian, nvidia-current to NVIDIA's packages", _debian),
    Kind("Debian, nvidia-tesla-535 to NVIDIA's packages", _debian_tesla),
    Kind(
        "a lost GPU beside a working one",
        _lost_gpu,
        {"plan": "2 NVIDIA GPUs are on the bus, and the driver does not report 0000:29:00.0"},
    ),
    Kind("Jetson", _jetson, {"plan": "this is a Jetson; its driver is part of JetPack"}),
    Kind(
        "WSL", _wsl, {"plan": "this is the Windows Subsystem for Linux; the driver is the one of"}
    ),
    Kind("Rocky Linux", _rocky, {"plan": "change the driver with dnf"}),
)
