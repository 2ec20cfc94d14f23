"""How much GPU memory is in use, where the engine runs on this machine."""

from __future__ import annotations

import ipaddress
import shutil
import socket
from pathlib import Path
from urllib.parse import urlsplit

from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.pex_file import Ran, run_command
from upgrade_gates.serving.outcome import Outcome

TOOL = "nvidia-smi"
QUERY = ("--query-gpu=index,name,memory.used,memory.total", "--format=csv,noheader,nounits")
_SECONDS = 20.0
_FIELDS = 4


def gpu_memory(url: str, *, tool: str = TOOL) -> Outcome:
    """Ask nvidia-smi, if the engine's address is this machine's.

    Args:
        url: the engine's.
        tool: how nvidia-smi is called.
    """
    host = urlsplit(url).hostname or ""
    if not is_here(host):
        return Outcome(
            Verdict.NOT_CHECKABLE,
            f"the engine runs on {host}; run this there, where nvidia-smi sees its GPUs",
        )
    found = shutil.which(tool)
    if found is None:
        return Outcome(
            Verdict.NOT_CHECKABLE, "nvidia-smi is not on this machine, so GPU memory is not known"
        )
    return judge_query(run_command([found, *QUERY], seconds=_SECONDS, cwd=Path.cwd()))


def judge_query(ran: Ran) -> Outcome:
    """Judge what nvidia-smi said."""
    if ran.code != 0:
        return Outcome(Verdict.NOT_CHECKABLE, f"nvidia-smi fails: {ran.last_line}", ran.raw)
    figures: dict[str, Figure] = {}
    used = 0
    for line in ran.stdout.splitlines():
        fields = [field.strip() for field in line.split(",")]
        # `[N/A]` on GPUs that share the machine's memory, and with MIG where permission lacks.
        if len(fields) == _FIELDS and fields[2].isdigit():
            used += int(fields[2])
            figures[f"gpu{fields[0]}_used_mib"] = int(fields[2])
    if not figures:
        return Outcome(Verdict.NOT_CHECKABLE, "nvidia-smi tells no memory in use", ran.raw)
    figures["gpu_used_mib"] = used
    return Outcome(Verdict.PASS, f"{used} MiB of GPU memory in use", ran.raw, figures)


def is_here(host: str) -> bool:
    """Return whether a host's name or address is this machine."""
    if host in ("localhost", socket.gethostname(), socket.getfqdn()):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
