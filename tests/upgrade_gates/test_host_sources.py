"""The other tools and files of a host: their formats, their languages, and anything else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upgrade_gates.host import gpu_processes
from upgrade_gates.host.apt_policy import parse_apt_policy
from upgrade_gates.host.boot import parse_boot_id, parse_reboot_packages
from upgrade_gates.host.dkms import parse_dkms
from upgrade_gates.host.kernel import parse_release
from upgrade_gates.host.kernel_module import Flavour, parse_kernel_module
from upgrade_gates.host.os_release import parse_os_release
from upgrade_gates.host.output import decoded
from upgrade_gates.host.packages import Package, parse_names, parse_packages, parse_states
from upgrade_gates.host.pci import comparable, parse_pci
from upgrade_gates.host.platform import Platform, find_platform
from upgrade_gates.host.secure_boot import (
    SecureBoot,
    parse_mokutil,
    parse_variable,
    secure_boot,
)
from upgrade_gates_testing import host_texts


def test_kernel_modules() -> None:
    closed = parse_kernel_module(host_texts.PROPRIETARY_535)
    assert (closed.version, closed.flavour, closed.architecture) == (
        "535.183.01",
        Flavour.PROPRIETARY,
        "x86_64",
    )
    assert closed.built == "Sun May 12 19:39:15 UTC 2024"
    assert closed.compiler is not None
    opened = parse_kernel_module(host_texts.OPEN_580)
    assert (opened.version, opened.flavour) == ("580.95.05", Flavour.OPEN)
    arm = parse_kernel_module(host_texts.OPEN_ARM)
    assert (arm.version, arm.architecture) == ("575.57.08", "aarch64")
    odd = parse_kernel_module("NVRM version: something new 999\nmore")
    assert (odd.version, odd.unknown) == (None, ("NVRM version: something new 999", "more"))


def test_dkms_of_both_formats() -> None:
    (old,) = parse_dkms(host_texts.DKMS_2).modules
    assert (old.name, old.version, old.kernel, old.state) == (
        "nvidia",
        "470.256.02",
        "5.15.0-113-generic",
        "installed",
    )
    new = parse_dkms(host_texts.DKMS_3)
    nvidia = [module for module in new.modules if module.is_nvidia]
    assert [(each.version, each.kernel, each.state) for each in nvidia] == [
        ("535.183.01", "6.5.0-41-generic", "installed"),
        ("535.183.01", "6.8.0-52-generic", "installed"),
        ("570.133.20", None, "added"),
    ]
    assert nvidia[1].remark is not None
    assert "Diff" in nvidia[1].remark
    assert [line[:10] for line in new.unknown] == ["Deprecated"]


@pytest.mark.parametrize("language", ["english", *host_texts.POLICY_LANGUAGES])
def test_apt_in_every_language(language: str) -> None:
    text = host_texts.POLICY_ENGLISH if language == "english" else host_texts.policy_in(language)
    policy = parse_apt_policy(text)
    assert [(each.name, each.installed, each.candidate) for each in policy.packages] == [
        (
            "nvidia-driver-535-server",
            "535.183.01-0ubuntu0.22.04.1",
            "535.288.01-0ubuntu0.22.04.1",
        ),
        ("nvidia-driver-580-server", None, "580.95.05-0ubuntu0.22.04.1"),
        ("nvidia-driver-999", None, None),
        ("cuda-drivers", None, "1:580.95.05-1"),
    ]
    first, *_, last = policy.packages
    assert [(each.version, each.obtainable) for each in first.versions] == [
        ("535.288.01-0ubuntu0.22.04.1", True),
        ("535.183.01-0ubuntu0.22.04.1", False),
    ]
    assert [each.version for each in last.versions] == ["1:590.44.01-1", "1:580.95.05-1"]
    assert policy.unknown == ()


def test_apt_without_sense() -> None:
    policy = parse_apt_policy("N: Unable to locate package nvidia\nW: old index\n")
    assert (policy.packages, len(policy.unknown)) == ((), 2)


def test_packages_of_the_driver() -> None:
    found = parse_packages(host_texts.PACKAGES)
    driver = [package for package in found.installed if package.is_driver]
    assert driver == [
        Package("libnvidia-compute-535-server", "amd64", "535.183.01-0ubuntu0.22.04.1", False),
        Package("nvidia-dkms-535-server", "amd64", "535.183.01-0ubuntu0.22.04.1", False),
        Package("nvidia-driver-535-server", "amd64", "535.183.01-0ubuntu0.22.04.1", True),
        Package("nvidia-utils-535-server", "amd64", "535.183.01-0ubuntu0.22.04.1", False),
    ]
    assert found.unknown == ("dpkg-query: no packages found matching cuda-drivers*",)
    assert parse_names("nvidia-driver-535-server\nlibc6:amd64\n\nE: no\n") == {
        "nvidia-driver-535-server",
        "libc6:amd64",
    }
    # With the machine's own architecture known, a package of another one is told apart.
    text = "ii \tlibcuda1\tamd64\t1\nii \tlibcuda1\ti386\t1\nii \tdkms\tall\t3\n"
    named = [package.name for package in parse_packages(text, "amd64").installed]
    assert named == ["libcuda1", "libcuda1:i386", "dkms"]


def test_packages_that_dpkg_left_half_way() -> None:
    text = (
        "ii \tbash\nhi \tdkms\nrc \told\nun \tnever\nit \tman-db\niW \tinitramfs-tools\n"
        "iF \tnvidia-dkms-535\niU \tnvidia-utils-535\niHR\tlibcuda1:i386\nno such line\n"
    )
    assert parse_states(text) == (
        "nvidia-dkms-535 (iF)",
        "nvidia-utils-535 (iU)",
        "libcuda1:i386 (iHR)",
    )


@pytest.mark.parametrize(
    ("name", "version", "core"),
    [
        ("nvidia-driver-535-server", "535.183.01-0ubuntu1", True),
        ("libnvidia-compute-580-server:i386", "580.95.05-0ubuntu1", True),
        ("nvidia-tesla-535-kernel-dkms", "535.216.01-1", True),
        ("libcuda1", "535.183.01-1~deb12u1", True),
        ("nvidia-settings", "510.47.03-0ubuntu1", False),
        ("libnvidia-egl-wayland1", "1:1.1.9-1", False),
    ],
)
def test_which_packages_have_the_drivers_own_version(name: str, version: str, core: bool) -> None:
    assert Package(name, "amd64", version, False).is_core is core


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("nvidia", True),
        ("nvidia-srv", True),
        ("nvidia-open", True),
        ("nvidia-current", True),
        ("nvidia-current-open", True),
        ("nvidia-tesla-535", True),
        ("nvidia-legacy-390xx", True),
        ("nvidia-fs", False),
        ("nvidia-peermem", False),
    ],
)
def test_dkms_names_of_every_distribution(name: str, driver: bool) -> None:
    (module,) = parse_dkms(f"{name}/535.216.01, 6.1.0-28-amd64, x86_64: installed\n").modules
    assert module.is_nvidia is driver


@pytest.mark.parametrize(
    ("release", "tegra", "model", "found"),
    [
        ("5.15.153.1-microsoft-standard-WSL2", "", "", Platform.WSL),
        ("4.4.0-19041-Microsoft", "", "", Platform.WSL),
        ("5.15.136-tegra", host_texts.TEGRA_RELEASE, "", Platform.JETSON),
        ("5.15.136-tegra", "", "NVIDIA Jetson AGX Orin Developer Kit\0", Platform.JETSON),
        ("6.8.0-52-generic", "", "", Platform.LINUX),
        ("6.11.0-1016-nvidia", "", "", Platform.LINUX),  # DGX Spark
        (None, "", "", Platform.LINUX),
    ],
)
def test_platforms(release: str | None, tegra: str, model: str, found: Platform) -> None:
    assert find_platform(release, tegra, model, "") is found
    assert (found.instead is None) == (found is Platform.LINUX)


ENABLED = "SecureBoot enabled\n"
DISABLED = "SecureBoot disabled\nPlatform is in Setup Mode\n"


def test_what_mokutil_says() -> None:
    assert parse_mokutil(ENABLED) is SecureBoot.ENABLED
    assert parse_mokutil(DISABLED) is SecureBoot.DISABLED
    lets_through = f"{ENABLED}SecureBoot validation is disabled in shim\n"
    assert parse_mokutil(lets_through) is SecureBoot.ENABLED
    no_efi = "EFI variables are not supported on this system\n"
    assert parse_mokutil(no_efi) is SecureBoot.UNSUPPORTED
    assert parse_mokutil("This system doesn't support Secure Boot") is SecureBoot.UNSUPPORTED
    assert parse_mokutil("Cannot determine secure boot state.") is SecureBoot.UNKNOWN


def test_what_the_firmware_says() -> None:
    assert parse_variable("0600000001") is SecureBoot.ENABLED
    assert parse_variable("0600000000\n") is SecureBoot.DISABLED
    assert parse_variable("06000000") is SecureBoot.UNKNOWN
    assert parse_variable("") is SecureBoot.UNKNOWN


def test_both_together() -> None:
    silent, on, off = SecureBoot.UNKNOWN, SecureBoot.ENABLED, SecureBoot.DISABLED
    assert secure_boot(silent, SecureBoot.ENABLED, uefi=True) is SecureBoot.ENABLED
    assert secure_boot(off, SecureBoot.UNKNOWN, uefi=None) is SecureBoot.DISABLED
    assert secure_boot(on, SecureBoot.DISABLED, uefi=True) is SecureBoot.UNKNOWN
    assert secure_boot(silent, SecureBoot.UNKNOWN, uefi=True) is SecureBoot.UNKNOWN
    assert secure_boot(silent, SecureBoot.UNKNOWN, uefi=False) is SecureBoot.UNSUPPORTED


def test_the_list_of_compute_processes() -> None:
    apps = gpu_processes.parse_compute_apps(
        "4242, 75012, GPU-0f6e, VLLM::EngineCore\n"
        "77, [N/A], GPU-0f6e, /opt/a, b/python\n"
        "78, [Insufficient Permissions], GPU-1, [Insufficient Permissions]\n"
        "No devices were found\n"
    )
    assert [(each.pid, each.used_mib, each.name) for each in apps.rows] == [
        (4242, 75012, "VLLM::EngineCore"),
        (77, None, "/opt/a, b/python"),
        (78, None, None),
    ]
    assert apps.unknown == ("No devices were found",)


def test_whose_a_process_is() -> None:
    status = gpu_processes.parse_status(host_texts.STATUS)
    assert (status.name, status.uid) == ("VLLM::EngineCor", 1001)
    assert gpu_processes.parse_passwd("ada:x:1001:1001:Ada:/home/ada:/bin/sh\nbroken\n") == {
        1001: "ada"
    }


@pytest.mark.parametrize(
    ("text", "unit", "container"),
    [
        (host_texts.CGROUP_SERVICE, "vllm-stable.service", None),
        (host_texts.CGROUP_TEMPLATE, "vllm@8001.service", None),
        (host_texts.CGROUP_ESCAPED, "vllm-old.service", None),
        (host_texts.CGROUP_DOCKER, None, "0a1b2c3d0a1b"),
        (host_texts.CGROUP_DOCKER_V1, None, "0a1b2c3d0a1b"),
        (host_texts.CGROUP_USER, None, None),
        (host_texts.CGROUP_SESSION, None, None),
        ("", None, None),
    ],
)
def test_only_services_of_the_system_can_be_stopped_by_name(
    text: str, unit: str | None, container: str | None
) -> None:
    found = gpu_processes.parse_cgroup(text)
    assert (found.unit, found.container) == (unit, container)


def test_small_files() -> None:
    ubuntu = parse_os_release(host_texts.OS_UBUNTU)
    assert (ubuntu.id, ubuntu.version, ubuntu.has_apt) == ("ubuntu", "22.04", True)
    assert not parse_os_release(host_texts.OS_ROCKY).has_apt
    assert parse_os_release('ID="unclosed').id == "unclosed"
    assert parse_release("6.8.0-52-generic\n") == "6.8.0-52-generic"
    assert parse_release("uname: no") is None
    boot_id = "4c1e9c1a-2f0b-4c5e-8d3a-1b2c3d4e5f60"
    assert parse_boot_id(f"{boot_id}\n") == boot_id
    assert parse_boot_id("none") is None
    assert parse_reboot_packages("linux-base\nlinux-base\n\nlibc6\n") == ("linux-base", "libc6")
    assert [
        device.is_nvidia_gpu
        for device in parse_pci(
            "0000:01:00.0 0x10de 0x030200\n"
            "0000:01:00.1 0x10de 0x040300\n"  # the sound of a graphics card
            "0000:02:00.0 0x8086 0x030000\n"
            "0000:03:00.0  \n"
        )
    ] == [True, False, False]


PARSERS: dict[str, Callable[[str], object]] = {
    "kernel module": parse_kernel_module,
    "dkms": parse_dkms,
    "apt": parse_apt_policy,
    "packages": parse_packages,
    "holds": parse_names,
    "mokutil": parse_mokutil,
    "variable": parse_variable,
    "compute apps": gpu_processes.parse_compute_apps,
    "status": gpu_processes.parse_status,
    "cgroup": gpu_processes.parse_cgroup,
    "passwd": gpu_processes.parse_passwd,
    "os-release": parse_os_release,
    "kernel": parse_release,
    "boot id": parse_boot_id,
    "reboot": parse_reboot_packages,
    "pci": parse_pci,
    "states": parse_states,
}

LINES = st.sampled_from(
    [
        line.encode()
        for text in vars(host_texts).values()
        if isinstance(text, str)
        for line in text.splitlines()
    ]
)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS.keys())
@settings(deadline=None)
@given(raw=st.lists(st.binary(max_size=60) | LINES, max_size=20).map(b"\n".join))
def test_any_bytes_are_understood_somehow(parser: Callable[[str], object], raw: bytes) -> None:
    parser(decoded(raw))


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS.keys())
def test_a_long_line_takes_no_time(parser: Callable[[str], object]) -> None:
    for piece in (" ", "9", "a, ", "  x: ", "\\", "/", "nvidia-"):
        parser(piece * 200_000)


def test_gpus_that_the_nvidia_driver_should_report() -> None:
    text = (
        "0000:18:00.0 0x10de 0x030200 nvidia\n"
        "0000:29:00.0 0x10de 0x030200 vfio-pci\n"
        "0000:3a:00.0 0x10de 0x030200 -\n"
        "0000:3a:00.4 0x10de 0x030200 nvidia virtual\n"
        "0000:4b:00.0 0x10de 0x030000\n"
        "0000:4b:00.1 0x10de 0x040300 snd_hda_intel\n"
    )
    expected = [each.address for each in parse_pci(text) if each.is_for_nvidia_driver]
    assert expected == ["0000:18:00.0", "0000:3a:00.0", "0000:4b:00.0"]
    assert comparable("00000000:3A:00.0") == "0000:3a:00.0"
