"""A GPU host whose packages can really be changed, and whose commands are written down."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from upgrade_gates_testing import apt_tool
from upgrade_gates_testing.hosts import NEW, OLD, Host, gpu_host

BASH = "/bin/bash"

OLD_PACKAGES = tuple(
    f"{name}-535-server"
    for name in ("libnvidia-compute", "nvidia-dkms", "nvidia-driver", "nvidia-utils")
)
NEW_PACKAGES = tuple(name.replace("535", "580") for name in OLD_PACKAGES)
MOK = "/var/lib/shim-signed/mok/MOK.der"
SERVICE = "vllm-stable.service"

_LOOKS_ONLY = ("dpkg-query", "modinfo", "id", "nvidia-smi")


class AptHost:
    """A `gpu_host` with working packages, services, and a log of what was run."""

    def __init__(self, folder: Path) -> None:
        self.host: Host = gpu_host(folder)
        self.state = folder / "state"
        (self.state / "installed").mkdir(parents=True)
        self.install(dict.fromkeys(OLD_PACKAGES, OLD))
        self.change(
            available={
                **{name: [OLD] for name in OLD_PACKAGES},
                **{name: [NEW] for name in (*NEW_PACKAGES, "nvidia-firmware-580")},
                "dkms": ["2.8.7-2ubuntu2.2"],
            },
            pulls={"nvidia-driver-580-server": [*NEW_PACKAGES, "nvidia-firmware-580"]},
            holds=["nvidia-driver-535-server"],
        )
        (self.state / SERVICE).touch()
        for name in ("apt-get", "apt-mark", "modinfo"):
            self._program(name, f'exec {self._apt_tool(name)} "$@"')
        installed = shlex.quote(str(self.state / "installed"))
        self._program(
            "dpkg-query",
            f'if [ $# -gt 4 ]; then exec {self._apt_tool("dpkg-query")} "$@"; fi\n'
            f'[ -e {installed}/"$4" ] || exit 1\n'
            f'echo "installed $(/bin/cat {installed}/"$4")"',
        )
        self._program("update-initramfs", "exit 0")
        self._program("id", "echo 0")
        service = shlex.quote(str(self.state)) + '/"$2"'
        self._program(
            "systemctl", f"case $1 in stop) /bin/rm -f {service};; start) : >{service};; esac"
        )
        smi = self.host.tools / "nvidia-smi"
        smi.rename(self.host.tools / ".real-smi")
        running = shlex.quote(str(self.state / SERVICE))
        others = shlex.quote(str(self.state / "others"))
        self._program(
            "nvidia-smi",
            f"case $1 in --query-compute-apps=pid,process_name) "
            f"[ ! -e {running} ] || echo 4242, VLLM::EngineCore; "
            f"[ ! -e {others} ] || /bin/cat {others};;"
            f' *) exec {shlex.quote(str(self.host.tools / ".real-smi"))} "$@";; esac',
        )
        self.host.file(MOK, "key")
        self.enrolled(True)

    @property
    def installed(self) -> dict[str, str]:
        """What is installed, by name."""
        files = (self.state / "installed").iterdir()
        return {file.name: file.read_text().strip() for file in files}

    def install(self, versions: Mapping[str, str]) -> None:
        """Have exactly these packages."""
        for name in self.installed:
            (self.state / "installed" / name).unlink()
        for name, version in versions.items():
            (self.state / "installed" / name).write_text(f"{version}\n")

    @property
    def apt(self) -> dict[str, Any]:
        """What is to be had, and what is on hold."""
        loaded: dict[str, Any] = json.loads((self.state / "apt.json").read_text())
        return loaded

    def change(self, **values: Any) -> None:
        """Change what apt knows."""
        file = self.state / "apt.json"
        before = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**before, **values}))

    def enrolled(self, enrolled: bool) -> None:
        """Say whether the key that signs kernel modules is enrolled."""
        said = f"MOK.der is {'already' if enrolled else 'not'} enrolled"
        self._program(
            "mokutil", f"case $1 in --sb-state) echo SecureBoot enabled;; *) echo {said};; esac"
        )

    def run(self, script: Path) -> subprocess.CompletedProcess[str]:
        """Run a script on this machine."""
        return subprocess.run(
            [BASH, str(script)],
            env={"PATH": f"{self.host.tools}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": "/"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def log(self) -> list[str]:
        """Return what was run that could change something, in order."""
        file = self.state / "log"
        return file.read_text().splitlines() if file.exists() else []

    def clear_log(self) -> None:
        """Forget what was run."""
        (self.state / "log").unlink(missing_ok=True)

    def _apt_tool(self, name: str) -> str:
        return shlex.join([sys.executable, "-I", "-S", apt_tool.__file__, str(self.state), name])

    def _program(self, name: str, body: str) -> None:
        place = self.host.tools / name
        log = shlex.quote(str(self.state / "log"))
        note = "" if name in _LOOKS_ONLY else f'printf "%s\\n" "{name} $*" >>{log}\n'
        place.write_text(f"#!/bin/sh\n{note}{body}\n")
        place.chmod(0o755)
