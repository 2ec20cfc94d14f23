"""What the other tools and files of a host say, in their formats."""

# ruff: noqa: E501, RUF001, W291 - lines as the tools print them

from __future__ import annotations

PROPRIETARY_535 = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024
GCC version:  gcc version 12.3.0 (Ubuntu 12.3.0-1ubuntu1~22.04) 
"""
OPEN_580 = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  \
(dvs-builder@U22-I3-B17-02-5)  Tue Sep 23 09:55:41 UTC 2025
GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04.2) 
"""
OPEN_ARM = """\
NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  575.57.08  Release Build  (root@gh200)
GCC version:  Selected multilib: .;@m64
"""

DKMS_3 = """\
nvidia/535.183.01, 6.5.0-41-generic, x86_64: installed
nvidia/535.183.01, 6.8.0-52-generic, x86_64: installed (WARNING! Diff between built and installed module!)
nvidia-srv/570.133.20: added
zfs/2.2.2, 6.8.0-52-generic, x86_64: installed (original_module exists)
Deprecated feature: REMAKE_INITRD (/var/lib/dkms/zfs/2.2.2/source/dkms.conf)
"""
DKMS_2 = "nvidia, 470.256.02, 5.15.0-113-generic, x86_64: installed\n"

POLICY_ENGLISH = """\
nvidia-driver-535-server:
  Installed: 535.183.01-0ubuntu0.22.04.1
  Candidate: 535.288.01-0ubuntu0.22.04.1
  Version table:
     535.288.01-0ubuntu0.22.04.1 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
        500 http://security.ubuntu.com/ubuntu jammy-security/restricted amd64 Packages
 *** 535.183.01-0ubuntu0.22.04.1 100
        100 /var/lib/dpkg/status
nvidia-driver-580-server:
  Installed: (none)
  Candidate: 580.95.05-0ubuntu0.22.04.1
  Version table:
     580.95.05-0ubuntu0.22.04.1 500
        500 http://archive.ubuntu.com/ubuntu jammy-updates/restricted amd64 Packages
nvidia-driver-999:
  Installed: (none)
  Candidate: (none)
  Version table:
cuda-drivers:
  Installed: (none)
  Candidate: 1:580.95.05-1
  Package pin: 1:580.95.05-1
  Version table:
     1:590.44.01-1 600
        600 https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64  Packages
     1:580.95.05-1 1001
        600 https://developer.download.nvidia.com/compute/cuda/repos/ubuntu2204/x86_64  Packages
"""
_LABELS = {
    "german": (
        "Installiert:          ",
        "Installationskandidat:",
        "Versionstabelle:      ",
        "(keine)",
    ),
    "french": ("Installé\u00a0: ", "Candidat\u00a0: ", "Table de version\u00a0:", "(aucun)"),
    "japanese": (
        "インストールされているバージョン:",
        "候補:               ",
        "バージョンテーブル:",
        "(なし)",
    ),
    "chinese": ("已安装：", "候选： ", "版本列表：", "(无)"),
}


def policy_in(language: str) -> str:
    """Return the same policy as apt prints it in another language."""
    installed, candidate, table, none = _LABELS[language]
    return (
        POLICY_ENGLISH.replace("Installed:", installed)
        .replace("Candidate:", candidate)
        .replace("Version table:", table)
        .replace("(none)", none)
    )


POLICY_LANGUAGES = tuple(_LABELS)

PACKAGES = (
    "ii \tlibnvidia-compute-535-server\tamd64\t535.183.01-0ubuntu0.22.04.1\n"
    "ii \tlibnvidia-container1\tamd64\t1.16.1-1\n"
    "ii \tlinux-headers-6.8.0-52-generic\tamd64\t6.8.0-52.53~22.04.1\n"
    "un \tlinux-modules-nvidia-535-generic\t\t\n"
    "rc \tnvidia-compute-utils-470\tamd64\t470.256.02-0ubuntu0.22.04.1\n"
    "ii \tnvidia-container-toolkit\tamd64\t1.16.1-1\n"
    "ii \tnvidia-dkms-535-server\tamd64\t535.183.01-0ubuntu0.22.04.1\n"
    "hi \tnvidia-driver-535-server\tamd64\t535.183.01-0ubuntu0.22.04.1\n"
    "iU \tnvidia-utils-535-server\tamd64\t535.183.01-0ubuntu0.22.04.1\n"
    "dpkg-query: no packages found matching cuda-drivers*\n"
)

OS_UBUNTU = """\
PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
ID=ubuntu
ID_LIKE=debian
"""
OS_DEBIAN = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'
TEGRA_RELEASE = (
    "# R36 (release), REVISION: 3.0, GCID: 36923193, BOARD: generic, EABI: aarch64, "
    "DATE: Fri Jul 19 23:24:25 UTC 2024\n"
)
OS_ROCKY = 'NAME="Rocky Linux"\nID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'

CGROUP_SERVICE = "0::/system.slice/vllm-stable.service\n"
CGROUP_TEMPLATE = "0::/system.slice/system-vllm.slice/vllm@8001.service\n"
CGROUP_ESCAPED = "0::/system.slice/vllm\\x2dold.service\n"
CGROUP_DOCKER = f"0::/system.slice/docker-{'0a1b2c3d' * 8}.scope\n"
CGROUP_DOCKER_V1 = f"12:devices:/docker/{'0a1b2c3d' * 8}\n1:name=systemd:/docker/{'0a1b2c3d' * 8}\n"
CGROUP_USER = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service\n"
CGROUP_SESSION = "0::/user.slice/user-1000.slice/session-3.scope\n"

STATUS = """\
Name:	VLLM::EngineCor
Umask:	0022
State:	S (sleeping)
Pid:	4242
Uid:	1001	1001	1001	1001
Gid:	1001	1001	1001	1001
"""
