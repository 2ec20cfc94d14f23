"""Machines laid out in a folder: their files, and tools that give fixed answers."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from upgrade_gates.host.machine import Machine
from upgrade_gates.host.secure_boot import VARIABLE
from upgrade_gates_testing import host_texts, smi_reports, smi_tables

MACHINE_ID = "0123456789abcdef0123456789abcdef"
BOOT_ID = "4c1e9c1a-2f0b-4c5e-8d3a-1b2c3d4e5f60"
KERNEL = "6.8.0-52-generic"
OLD = "535.183.01-0ubuntu0.22.04.1"
NEW = "580.95.05-0ubuntu0.22.04.1"

POLICY = f"""\
nvidia-driver-535-server:
  Installed: {OLD}
  Candidate: {OLD}
  Version table:
 *** {OLD} 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
        100 /var/lib/dpkg/status
nvidia-driver-570-server:
  Installed: (none)
  Candidate: 570.133.20-0ubuntu0.22.04.1
  Version table:
     570.133.20-0ubuntu0.22.04.1 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
nvidia-driver-580-server:
  Installed: (none)
  Candidate: {NEW}
  Version table:
     {NEW} 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
nvidia-driver-580-server-open:
  Installed: (none)
  Candidate: {NEW}
  Version table:
     {NEW} 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
"""

INSTALLED = "".join(
    f"ii \t{name}\tamd64\t{OLD}\n"
    for name in (
        "libnvidia-compute-535-server",
        "nvidia-dkms-535-server",
        "nvidia-driver-535-server",
        "nvidia-utils-535-server",
    )
)


class Host:
    """A machine in a folder. A new one has the kernel's files and no tool at all."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.tools = folder / "tools"
        self.tools.mkdir(parents=True)
        self.file("/etc/machine-id", f"{MACHINE_ID}\n")
        self.file("/proc/sys/kernel/random/boot_id", f"{BOOT_ID}\n")
        self.file("/etc/os-release", host_texts.OS_UBUNTU)
        self.tool("uname", {"-r": f"{KERNEL}\n", "-n": "gpu1\n"})

    @property
    def machine(self) -> Machine:
        """The machine, as the program asks it."""
        return Machine(root=self.root, path=str(self.tools), seconds=30)

    def file(self, path: str, text: str | bytes) -> None:
        """Put a file there."""
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())

    def tool(self, name: str, answers: Mapping[str, str], *, code: int = 0) -> None:
        """Install a tool that answers by its arguments; `*` stands for any others."""
        place = self.tools / name
        branches = []
        for number, (arguments, answer) in enumerate(answers.items()):
            words = self.tools / f".{name}-{number}"
            words.write_text(answer, encoding="utf-8")
            pattern = "*" if arguments == "*" else shlex.quote(arguments)
            branches.append(f"{pattern}) /bin/cat {shlex.quote(str(words))}; exit {code};;")
        place.write_text(
            '#!/bin/sh\ncase "$*" in\n' + "\n".join(branches) + "\nesac\nexit 64\n",
            encoding="utf-8",
        )
        place.chmod(0o755)

    def pci(self, *devices: tuple[str, str, str]) -> None:
        """Put devices on the bus: address, vendor, class."""
        for address, vendor, device_class in devices:
            self.file(f"/sys/bus/pci/devices/{address}/vendor", f"{vendor}\n")
            self.file(f"/sys/bus/pci/devices/{address}/class", f"{device_class}\n")


def gpu_host(folder: Path) -> Host:
    """Return a server with Ubuntu, eight GPUs, driver 535 by DKMS, and vLLM on one of them."""
    host = Host(folder)
    host.pci(
        *((f"0000:{0x18 + 0x11 * index:02x}:00.0", "0x10de", "0x030200") for index in range(8))
    )
    driver(host, "535.183.01", "12.2", host_texts.PROPRIETARY_535)
    host.file(VARIABLE, bytes.fromhex("0600000001"))
    host.tool("mokutil", {"--sb-state": "SecureBoot enabled\n"})
    host.tool("dkms", {"status": f"nvidia/535.183.01, {KERNEL}, x86_64: installed\n"})
    (host.root / "lib" / "modules" / KERNEL / "build").mkdir(parents=True)
    host.tool("dpkg-query", {"*": INSTALLED + f"ii \tlinux-image-{KERNEL}\tamd64\t6.8.0-52.53\n"})
    host.tool("apt-mark", {"showhold": "nvidia-driver-535-server\n"})
    names = "\n".join(line[:-1] for line in POLICY.splitlines() if line[0] != " ")
    host.tool("apt-cache", {"pkgnames": f"bash\n{names}\nlibc6\n", "*": POLICY})
    host.tool("getent", {"passwd 1001": "vllm:x:1001:1001::/var/lib/vllm:/usr/sbin/nologin\n"})
    host.file("/proc/4242/status", host_texts.STATUS)
    host.file("/proc/4242/cgroup", host_texts.CGROUP_SERVICE)
    return host


def driver(host: Host, version: str, cuda: str, module: str, *, smi: str | None = None) -> None:
    """Load a driver."""
    host.file("/proc/driver/nvidia/version", module)
    gpus = [smi_reports.gpu(index) for index in range(7)]
    gpus.append(smi_reports.gpu(7, processes=smi_reports.process(4242, name="VLLM::EngineCore")))
    host.tool(
        "nvidia-smi",
        {
            "": smi_tables.wide(version, cuda, smi=smi, gpus=8),
            "-q -x": smi_reports.report(version, cuda, gpus),
            "*": "4242, 75012, GPU-0f6e1c9a-0000-4d2e-9d51-000000000007, VLLM::EngineCore\n",
        },
    )
