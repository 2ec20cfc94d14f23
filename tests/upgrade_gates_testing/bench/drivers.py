"""The driver's packages as Ubuntu, Debian and NVIDIA lay them out, as far as apt minds."""

from __future__ import annotations

from upgrade_gates_testing.bench.debs import Deb
from upgrade_gates_testing.hosts import KERNEL

TRIPLETS = {"amd64": "x86_64-linux-gnu", "i386": "i386-linux-gnu"}
BROKEN_BUILD = "etc/bench/broken-build"
"""While this file is in a host's root, DKMS cannot build."""

_BUILD = """\
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
if [ -e "$DPKG_ROOT/{broken}" ]; then
  echo "Error! Bad return status for module build on kernel" >&2
  exit 10
fi
for build in "$DPKG_ROOT"/lib/modules/*/build; do
  folder=${{build%/build}}
  mkdir -p "$folder/updates/dkms" "$DPKG_ROOT/var/lib/dkms"
  echo {driver} >"$folder/updates/dkms/{module}.ko"
  kernel=${{folder##*/}}
  echo "{name}/{driver}, $kernel, x86_64: installed" >"$DPKG_ROOT/var/lib/dkms/{name}-$kernel"
done
"""
_UNBUILD = """\
#!/bin/sh
rm -f "$DPKG_ROOT"/lib/modules/*/updates/dkms/{module}.ko "$DPKG_ROOT"/var/lib/dkms/{name}-*
"""


def driver_of(version: str) -> str:
    """Return the driver's version in a package's."""
    return version.partition(":")[2].partition("-")[0] or version.partition("-")[0]


def dkms_scripts(name: str, driver: str) -> tuple[tuple[str, str], ...]:
    """Return maintainer scripts that build a module for every kernel of the host."""
    values = {"name": name, "module": name.replace("-srv", ""), "driver": driver}
    return (
        ("postinst", _BUILD.format(broken=BROKEN_BUILD, **values)),
        ("prerm", _UNBUILD.format(**values)),
    )


def _only_one(stem: str) -> tuple[tuple[str, str], ...]:
    """Return the relations by which two series of a package exclude each other."""
    return (("Provides", stem), ("Conflicts", stem), ("Replaces", stem))


def base_packages() -> tuple[Deb, ...]:
    """Return what every host has beside its driver."""
    return (
        Deb("dkms", "2.8.7-2ubuntu2.2", "all"),
        Deb(f"linux-headers-{KERNEL}", "6.8.0-52.53"),
        Deb(f"linux-image-{KERNEL}", "6.8.0-52.53"),
        Deb("libdrm2", "2.4.113-2", relations=(("Multi-Arch", "same"),)),
        Deb("libdrm2", "2.4.113-2", "i386", relations=(("Multi-Arch", "same"),)),
    )


def _library(stem: str, suffix: str, version: str, architecture: str) -> Deb:
    place = f"usr/lib/{TRIPLETS[architecture]}/{stem}.version"
    return Deb(
        f"{stem}-{suffix}",
        version,
        architecture,
        (("Multi-Arch", "same"), ("Depends", "libdrm2"), *_only_one(stem)),
        files=((place, f"{driver_of(version)}\n"),),
    )


def ubuntu(series: int, version: str) -> tuple[Deb, ...]:
    """Return a series of Ubuntu's `-server` packages."""
    suffix, driver = f"{series}-server", driver_of(version)
    same = f"(= {version})"

    def part(stem: str, *relations: tuple[str, str]) -> Deb:
        return Deb(f"{stem}-{suffix}", version, relations=(*relations, *_only_one(stem)))

    libraries = tuple(
        _library(stem, suffix, version, architecture)
        for stem in ("libnvidia-compute", "libnvidia-gl")
        for architecture in TRIPLETS
    )
    module = ("Depends", f"nvidia-kernel-source-{suffix} {same}, dkms")
    return (
        *libraries,
        part("nvidia-kernel-common", ("Depends", f"nvidia-firmware-{suffix}-{driver}")),
        Deb(f"nvidia-firmware-{suffix}-{driver}", version),
        part("nvidia-kernel-source"),
        part("nvidia-utils", ("Depends", f"libnvidia-compute-{suffix} {same}")),
        part("nvidia-compute-utils"),
        Deb(
            f"nvidia-dkms-{suffix}",
            version,
            relations=(module, *_only_one("nvidia-dkms-kernel")),
            scripts=dkms_scripts("nvidia-srv", driver),
        ),
        Deb(
            f"nvidia-driver-{suffix}",
            version,
            relations=(
                (
                    "Depends",
                    f"nvidia-dkms-{suffix} {same}, nvidia-kernel-common-{suffix} {same}, "
                    f"libnvidia-compute-{suffix} {same}, libnvidia-gl-{suffix} {same}, "
                    f"nvidia-utils-{suffix} {same}, nvidia-compute-utils-{suffix} {same}",
                ),
                (
                    "Recommends",
                    f"libnvidia-compute-{suffix}:i386 {same}, libnvidia-gl-{suffix}:i386 {same}, "
                    "nvidia-settings",
                ),
                *_only_one("nvidia-driver-binary"),
            ),
        ),
        Deb(
            f"nvidia-headless-no-dkms-{suffix}",
            version,
            relations=(
                (
                    "Depends",
                    f"libnvidia-compute-{suffix} {same}, nvidia-kernel-common-{suffix} {same}, "
                    f"nvidia-compute-utils-{suffix} {same}",
                ),
            ),
        ),
        Deb(
            f"linux-modules-nvidia-{suffix}-{KERNEL}",
            f"6.8.0-52.53+{series}",
            relations=(("Depends", f"nvidia-kernel-common-{suffix}"),),
            files=((f"lib/modules/{KERNEL}/kernel/nvidia-{series}srv/nvidia.ko", f"{driver}\n"),),
        ),
        Deb(
            f"linux-modules-nvidia-{suffix}-generic",
            f"6.8.0-52.53+{series}",
            relations=(("Depends", f"linux-modules-nvidia-{suffix}-{KERNEL}"),),
        ),
    )


def settings() -> tuple[Deb, ...]:
    """Return the control panel, which has a version of its own that looks like a driver's."""
    return (Deb("nvidia-settings", "510.47.03-0ubuntu1"),)


def debian(version: str, *, tesla: int | None = None, by_nvidia: bool = False) -> tuple[Deb, ...]:
    """Return Debian's packages, or those of the same names in NVIDIA's archive for Debian.

    Debian calls the module `nvidia-current` or `nvidia-tesla-535` and tells modprobe so; NVIDIA
    calls it `nvidia`.
    """
    stem = "nvidia" if tesla is None else f"nvidia-tesla-{tesla}"
    module = "nvidia" if by_nvidia else "nvidia-current" if tesla is None else stem
    same, driver = f"(= {version})", driver_of(version)
    support = (
        ()
        if by_nvidia
        else (
            ("etc/modprobe.d/nvidia.conf", f"install nvidia modprobe -i {module} $CMDLINE_OPTS\n"),
        )
    )
    library = f"usr/lib/{TRIPLETS['amd64']}/libnvidia-compute.version"
    cuda, support_name = ("libcuda1", "nvidia-kernel-support")
    if tesla is not None:
        cuda, support_name = f"libnvidia-tesla-{tesla}-cuda1", f"{stem}-kernel-support"
    excludes = (("Conflicts", "nvidia-glvnd"), ("Provides", "nvidia-glvnd"))
    return (
        Deb(cuda, version, files=((library, f"{driver}\n"),), relations=excludes),
        Deb(support_name, version, files=support),
        Deb(
            f"{stem}-kernel-dkms",
            version,
            relations=(("Depends", f"dkms, {support_name} {same}"),),
            scripts=dkms_scripts(module, driver),
        ),
        Deb(
            f"{stem}-driver",
            version,
            relations=(("Depends", f"{stem}-kernel-dkms {same}, {cuda} {same}"),),
        ),
    )
