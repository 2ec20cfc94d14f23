"""A GPU host of the bench: the real apt and dpkg in a root of its own, stand-ins for the rest."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from upgrade_gates.driver.script import ROLLBACK, UPGRADE
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.secure_boot import VARIABLE
from upgrade_gates_testing import host_texts, smi_reports, smi_tables
from upgrade_gates_testing.bench.debs import Archive, Deb, DebStore
from upgrade_gates_testing.bench.drivers import TRIPLETS, base_packages
from upgrade_gates_testing.hosts import KERNEL, Host

REAL = ("/usr/bin/apt-get", "/usr/bin/apt-cache", "/usr/bin/apt-mark")
DPKG_TOOLS = ("/usr/bin/dpkg", "/usr/bin/dpkg-query")
NEEDS = (*REAL, *DPKG_TOOLS, "/usr/bin/dpkg-deb")
SERVICE, PID, PROCESS = "vllm-stable.service", 4242, "VLLM::EngineCore"
MOK = "/var/lib/shim-signed/mok/MOK.der"
ENROLLED = ("MOK.der is already enrolled", 1)
"""As mokutil up to 0.7.2 says it."""
CUDA = {"535": "12.2", "550": "12.4", "570": "12.8", "580": "13.0"}


@dataclass(frozen=True)
class State:
    """What a way back must bring back, to the last mark."""

    packages: tuple[str, ...]
    holds: tuple[str, ...]
    automatic: tuple[str, ...]
    module: str | None


class BenchHost:
    """A host with GPUs, and an archive. It has its base packages and no driver."""

    def __init__(
        self,
        folder: Path,
        store: DebStore,
        *,
        foreign: tuple[str, ...] = (),
        recommends: bool = True,
        gpus: int = 2,
    ) -> None:
        self.host = Host(folder)
        self.root, self.tools = self.host.root, self.host.tools
        self.gpus = gpus
        self.services = folder / "services"
        self.serves = True  # an engine, as a service of the system, from each start on
        self.archive = Archive(folder / "archive", store, ("amd64", *foreign))
        self._lay_out(foreign, recommends)
        self._stand_ins()
        self.archive.offer(base_packages())
        self.apt("update")
        self.apt("install", *(deb.name for deb in base_packages() if deb.architecture != "i386"))
        self.boot()

    @property
    def machine(self) -> Machine:
        """The machine, as the program asks it."""
        return self.host.machine

    def offer(self, *groups: Iterable[Deb]) -> None:
        """Have the archive offer these beside the base packages, and fetch its lists."""
        self.archive.offer([*base_packages(), *(deb for group in groups for deb in group)])
        self.apt("update")

    def apt(self, *arguments: str) -> None:
        """Run apt-get as an administrator does."""
        self.done("apt-get", "--yes", *arguments)

    def done(self, tool: str, *arguments: str) -> str:
        """Run one of the host's tools, which must end well."""
        done = self._run([str(self.tools / tool), *arguments])
        assert done.returncode == 0, f"{tool} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def done_shell(self, command: str) -> None:
        """Run a command of the shell, which must end well."""
        done = self._run(["/bin/sh", "-c", command])
        assert done.returncode == 0, done.stderr

    def script(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of the plan's scripts."""
        assert script.name in (UPGRADE, ROLLBACK)
        return self._run(["/bin/bash", str(script), *arguments])

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env={"PATH": f"{self.tools}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": "/"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @property
    def state(self) -> State:
        """What dpkg, apt and the kernel's folder hold."""
        form = "${binary:Package} ${Version} ${db:Status-Status}\\n"
        listed = self.done("dpkg-query", "-W", "-f", form).splitlines()
        return State(
            tuple(line for line in listed if "config-files" not in line),
            tuple(self.done("apt-mark", "showhold").split()),
            tuple(self.done("apt-mark", "showauto").split()),
            self.module,
        )

    @property
    def module(self) -> str | None:
        """The driver that the kernel's module on disk is of."""
        done = self._run([str(self.tools / "modinfo"), "-k", KERNEL, "-F", "version", self._alias])
        return done.stdout.strip() or None

    @property
    def _alias(self) -> str:
        said = self._run([str(self.tools / "modprobe"), "-S", KERNEL, "--show-depends", "nvidia"])
        words = said.stdout.split()
        return words[words.index("-i") + 1] if "-i" in words else "nvidia"

    def boot(self, *, reported: int | None = None) -> None:
        """Start anew: the module on disk is loaded, and the driver reports the GPUs."""
        self.host.file("/proc/sys/kernel/random/boot_id", f"{uuid.uuid4()}\n")
        module = self.module
        version_file = self.root / "proc/driver/nvidia/version"
        if module is None:
            version_file.unlink(missing_ok=True)
            self._smi(smi_tables.NO_DRIVER, "", code=9)
            return
        self.host.file(
            "/proc/driver/nvidia/version",
            host_texts.PROPRIETARY_535.replace("535.183.01", module),
        )
        libraries = self.root / "usr/lib" / TRIPLETS["amd64"] / "libnvidia-compute.version"
        shown = libraries.read_text().strip() if libraries.exists() else module
        count = self.gpus if reported is None else reported
        cuda = CUDA[module.split(".")[0]]
        gpus = [smi_reports.gpu(index) for index in range(count - 1)]
        gpus.append(smi_reports.gpu(count - 1, processes=smi_reports.process(PID, name=PROCESS)))
        self.services.mkdir(exist_ok=True)
        if self.serves:
            (self.services / SERVICE).touch()
        self._smi(
            smi_tables.wide(module, cuda, smi=shown, gpus=count),
            smi_reports.report(module, cuda, gpus),
        )

    def _smi(self, table: str, report: str, *, code: int = 0) -> None:
        listed = f"{PID}, 75012, GPU-0f6e1c9a, {PROCESS}\n" if report else ""
        self.host.tool("nvidia-smi", {"": table, "-q -x": report or table, "*": listed}, code=code)
        (self.tools / "nvidia-smi").rename(self.tools / ".nvidia-smi")
        services = shlex.quote(str(self.services))
        self.program(
            "nvidia-smi",
            "case $1 in --query-compute-apps=pid,process_name)\n"
            f"[ ! -e {services}/{SERVICE} ] || echo {PID}, {PROCESS}\n"
            f"[ ! -e {services}/others ] || /bin/cat {services}/others;;\n"
            f'*) exec {shlex.quote(str(self.tools / ".nvidia-smi"))} "$@";; esac',
        )

    def program(self, name: str, body: str) -> None:
        """Put a stand-in among the host's tools."""
        place = self.tools / name
        place.write_text(f"#!/bin/sh\n{body}\n")
        place.chmod(0o755)

    def mokutil(self, answer: str, code: int) -> None:
        """Say what is known of the key that signs modules."""
        self.program(
            "mokutil",
            f"case $1 in --sb-state) echo SecureBoot enabled;; "
            f"*) echo {shlex.quote(answer)}; exit {code};; esac",
        )

    def repacks(self) -> None:
        """Install a dpkg-repack that makes packages from what the bench has built."""
        store = shlex.quote(str(self.archive.store.folder))
        self.program(
            "dpkg-repack",
            'name=${1%%:*}; arch=amd64; [ "$name" = "$1" ] || arch=${1##*:}\n'
            f"version=$({shlex.quote(str(self.tools / 'dpkg-query'))} -W -f '${{Version}}' "
            '"$name:$arch")\n'
            f'/bin/cp {store}/*/"${{name}}_${{version}}_${{arch}}.deb" .',
        )

    def _lay_out(self, foreign: tuple[str, ...], recommends: bool) -> None:
        for path in (
            "etc/apt/preferences.d",
            "etc/apt/apt.conf.d",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
            f"lib/modules/{KERNEL}/build",
        ):
            (self.root / path).mkdir(parents=True)
        architectures = ("amd64", *foreign)
        self.host.file("/var/lib/dpkg/status", "")
        self.host.file("/var/lib/dpkg/available", "")
        self.host.file("/var/lib/dpkg/arch", "".join(f"{each}\n" for each in architectures))
        self.host.file("/etc/apt/sources.list", self.archive.source)
        quoted = "".join(f'"{each}"; ' for each in architectures)
        self.config = self.root.parent / "apt.conf"
        self.config.write_text(
            f'Dir "{self.root}";\n'
            f'Dir::State::status "{self.root}/var/lib/dpkg/status";\n'
            'Dir::Etc::main "/dev/null";\n'
            f'APT::Architecture "amd64";\nAPT::Architectures {{ {quoted}}};\n'
            f'APT::Install-Recommends "{"true" if recommends else "false"}";\n'
            'APT::Sandbox::User "";\n'
            f'DPkg::Options {{ "--root={self.root}"; "--force-script-chrootless"; '
            '"--force-not-root"; "--force-bad-path"; "--force-unsafe-io"; };\n'
        )

    def _stand_ins(self) -> None:
        root = shlex.quote(str(self.root))
        admin = f"DPKG_ADMINDIR={root}/var/lib/dpkg"
        for real in REAL:
            self.program(
                Path(real).name,
                f'APT_CONFIG={shlex.quote(str(self.config))} {admin} exec {real} "$@"',
            )
        for real in DPKG_TOOLS:
            arguments = f"--root={root} --force-script-chrootless --force-not-root"
            options = arguments if real.endswith("dpkg") else ""
            self.program(
                Path(real).name,
                f'PATH="$PATH:/usr/sbin:/sbin" {admin} exec {real} {options} "$@"',
            )
        self.program(
            "modprobe",
            f"found=$(/bin/cat {root}/etc/modprobe.d/*.conf 2>/dev/null | "
            "/bin/grep -E '^install nvidia ')\n"
            'if [ -n "$found" ]; then echo "$found"; else echo insmod nvidia.ko; fi',
        )
        self.program(
            "modinfo",
            f'for file in {root}/lib/modules/"$2"/updates/dkms/"$5".ko '
            f'{root}/lib/modules/"$2"/kernel/*/"$5".ko; do\n'
            '  if [ -e "$file" ]; then exec /bin/cat "$file"; fi\ndone\nexit 1',
        )
        self.program("dkms", f"/bin/cat {root}/var/lib/dkms/nvidia* 2>/dev/null || true")
        self.program("update-initramfs", "exit 0")
        service = shlex.quote(str(self.services)) + '/"$2"'
        self.program(
            "systemctl", f"case $1 in stop) /bin/rm -f {service};; start) : >{service};; esac"
        )
        self.host.tool("getent", {"passwd 1001": "vllm:x:1001:1001::/var/lib/vllm:/bin/false\n"})
        self.host.file(f"/proc/{PID}/status", host_texts.STATUS)
        self.host.file(f"/proc/{PID}/cgroup", host_texts.CGROUP_SERVICE)
        self.program("id", "echo 0")
        self.mokutil(*ENROLLED)
        self.host.file(MOK, "key")
        self.host.file(VARIABLE, bytes.fromhex("0600000001"))
        self.host.pci(
            *(
                (f"0000:{0x18 + 0x11 * index:02x}:00.0", "0x10de", "0x030200")
                for index in range(self.gpus)
            )
        )


def missing_tools() -> list[str]:
    """Return what this machine lacks to be a bench."""
    return [tool for tool in NEEDS if shutil.which(tool) is None]
