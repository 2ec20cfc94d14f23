"""Gate 0's lines about the running driver: nvidia-smi, the kernel module, who uses the GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host import boot, gpu_processes, kernel_module, smi_report, smi_table
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.gpu_processes import GpuUser
from upgrade_gates.host.platform import Platform
from upgrade_gates.host.recorded_line import (
    NOWHERE,
    Recorded,
    absent,
    bare,
    elsewhere,
    nothing_installed,
    outcomes,
    raw,
)
from upgrade_gates.host.smi_failure import SmiFailure
from upgrade_gates.host.snapshot import Snapshot

_DMESG = "look into the kernel's log (dmesg) before anything is changed"


def nvidia_smi(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return what nvidia-smi says, and whether every GPU of the host is in it."""
    line = "0.facts.nvidia-smi"
    short, full = snapshot.output(*smi_table.COMMAND), snapshot.output(*smi_report.COMMAND)
    output = raw((short, full))
    if facts.table.driver and facts.report.driver:
        return _answered(line, facts, output)
    if bare(facts):
        return Recorded(line, Verdict.PASS, nothing_installed(facts), output)
    if reason := elsewhere(facts):
        return Recorded(line, Verdict.FAIL, reason, output)
    failure = facts.table.failure or facts.report.failure
    if failure is not None:
        return Recorded(line, Verdict.FAIL, f"nvidia-smi: {failure}; {_mend(failure)}", output)
    if not absent(facts):
        return Recorded(line, Verdict.FAIL, outcomes(short, full), output)
    return Recorded(line, Verdict.NOT_CHECKABLE, f"{outcomes(short, full)}; {NOWHERE}", output)


def _answered(line: str, facts: HostFacts, output: str) -> Recorded:
    shown = (
        f"driver {facts.table.driver}, CUDA {facts.table.cuda or 'unknown'}, "
        f"{_gpus_in_words(facts)}"
    )
    problems = list(_problems(facts))
    odd = [f"not understood: {'; '.join(facts.table.unknown[:2])}"] if facts.table.unknown else []
    return Recorded(
        line,
        Verdict.FAIL if problems else Verdict.PASS,
        "; ".join([shown, *problems, *odd]),
        output,
        {"driver": facts.table.driver, "cuda": facts.table.cuda, "gpus": len(facts.gpus)},
    )


def _problems(facts: HostFacts) -> Iterator[str]:
    """Give what makes this no state to go back to, though a table was printed."""
    waiting = facts.table.smi not in (None, facts.table.driver)
    if waiting and facts.platform is Platform.LINUX:  # under WSL the driver is Windows's
        yield f"libraries {facts.table.smi}: {_mend(SmiFailure.MISMATCH)}"
    if (failure := facts.table.failure or facts.report.failure) is not None:
        yield f"nvidia-smi: {failure}; {_mend(failure)}"
    elif not facts.gpus and not facts.table.gpus:
        yield f"no GPU can be read from it; {_DMESG}"
    dead = [f"GPU {gpu.index}" for gpu in facts.table.gpus if gpu.dead]
    dead = dead or [gpu.bus_id or "a GPU" for gpu in facts.gpus if gpu.dead]
    if dead:
        yield f"{', '.join(dead)} cannot be read any more; {_DMESG}"
    if facts.gpus and facts.silent_devices:
        yield (
            f"{len(facts.expected_devices)} NVIDIA GPUs are on the bus, and the driver does not "
            f"report {', '.join(facts.silent_devices)}: lost, or not known to this driver; {_DMESG}"
        )
    elif facts.report.attached not in (None, len(facts.gpus)):
        yield f"{facts.report.attached} GPUs are attached, {len(facts.gpus)} are reported; {_DMESG}"
    changing = [gpu.bus_id or gpu.name or "a GPU" for gpu in facts.gpus if gpu.mig_changes]
    if changing:
        yield (
            f"MIG mode of {', '.join(changing)} changes with the next reset, so a reboot would not "
            "lead back to this; reset the GPU now (nvidia-smi --gpu-reset), or take the change back"
        )


def module(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return which kernel module is loaded."""
    line = "0.facts.kernel-module"
    said = snapshot.output(kernel_module.PATH)
    found = facts.module
    if found.version is not None:
        return Recorded(
            line,
            Verdict.PASS,
            f"{found.flavour} kernel module {found.version}",
            raw((said,)),
            {"kernel_module": found.version, "flavour": found.flavour},
        )
    if bare(facts):
        return Recorded(line, Verdict.PASS, nothing_installed(facts), raw((said,)))
    if reason := elsewhere(facts):
        return Recorded(line, Verdict.FAIL, f"{said.outcome}; {reason}", raw((said,)))
    if said.usable:
        reason = f"{kernel_module.PATH} has no version that is known: {said.text.strip()[:120]}"
        return Recorded(line, Verdict.FAIL, reason, raw((said,)))
    if facts.driver is not None:
        reason = (
            f"{said.outcome}, though nvidia-smi shows driver {facts.driver}: this is a container; "
            "run this on the host itself"
        )
        return Recorded(line, Verdict.FAIL, reason, raw((said,)))
    if not absent(facts):
        reason = f"{said.outcome}: the driver's kernel module is not loaded"
        return Recorded(line, Verdict.FAIL, reason, raw((said,)))
    return Recorded(line, Verdict.NOT_CHECKABLE, f"{said.outcome}; {NOWHERE}", raw((said,)))


def processes(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return who uses the GPUs."""
    line = "0.facts.processes"
    listed = snapshot.output(*gpu_processes.SOURCE)
    outputs = [listed, *snapshot.beginning("/proc/"), *snapshot.beginning("getent ")]
    others = (kernel_module.PATH, boot.BOOT_ID)
    outputs = [
        each for each in outputs if each.source not in others and "/device-tree/" not in each.source
    ]
    if not listed.usable:
        if bare(facts):
            return Recorded(line, Verdict.PASS, nothing_installed(facts), raw(outputs))
        if absent(facts):
            reason = f"{listed.outcome}; {NOWHERE}"
            return Recorded(line, Verdict.NOT_CHECKABLE, reason, raw(outputs))
        return Recorded(line, Verdict.FAIL, listed.outcome, raw(outputs))
    hidden = [user for user in facts.users if user.user is None]
    if hidden:
        pids = ", ".join(str(user.pid) for user in hidden)
        reason = f"whose the GPU processes {pids} are is hidden; run this as root, on the host"
        return Recorded(line, Verdict.FAIL, reason, raw(outputs))
    words = "; ".join(in_words(user) for user in facts.users) or "no process uses a GPU"
    return Recorded(line, Verdict.PASS, words, raw(outputs), {"processes": len(facts.users)})


def in_words(user: GpuUser) -> str:
    """Describe a process on a GPU for a person."""
    where = user.unit or (f"container {user.container}" if user.container else "no service")
    memory = f", {user.used_mib} MiB" if user.used_mib is not None else ""
    return f"{user.name or 'process'} (pid {user.pid}) of {user.user or 'unknown'}, {where}{memory}"


def _gpus_in_words(facts: HostFacts) -> str:
    names: dict[str, int] = {}
    for gpu in facts.gpus:
        mig = f" in {len(gpu.mig_devices)} MIG devices" if gpu.mig else ""
        label = f"{gpu.name or 'unknown GPU'}{mig}"
        names[label] = names.get(label, 0) + 1
    return ", ".join(f"{count} x {name}" for name, count in names.items()) or "no GPU"


def _mend(failure: SmiFailure) -> str:
    match failure:
        case SmiFailure.MISMATCH:
            return "a newer driver waits for its reboot; reboot, then record again"
        case SmiFailure.DENIED:
            return "run this as root"
        case SmiFailure.NO_DEVICES | SmiFailure.DEVICE_LOST:
            return _DMESG
        case SmiFailure.NO_LIBRARY:
            return "nvidia-smi is of another installation than the driver; mend that first"
        case SmiFailure.NO_DRIVER | SmiFailure.OTHER:
            return "mend the present driver first: there is no working state to go back to"
