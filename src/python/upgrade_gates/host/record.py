"""Gate 0's record: what each of its lines saw, and exactly what could not be recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.host import (
    boot,
    dkms,
    gpu_processes,
    kernel,
    kernel_module,
    os_release,
    packages,
    secure_boot,
    smi_report,
    smi_table,
)
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.gpu_processes import GpuUser
from upgrade_gates.host.output import Output
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.smi_failure import SmiFailure
from upgrade_gates.host.snapshot import APT_POLICY, Snapshot

SNAPSHOT_LINE = "0.facts.snapshot"
"""The line whose output is the whole snapshot as JSON, from which plans are made."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a line of the checklist saw."""

    line: str
    verdict: Verdict
    reason: str
    output: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


def record(snapshot: Snapshot, facts: HostFacts) -> tuple[Recorded, ...]:
    """Return what each line of gate 0's record saw."""
    lines = (
        _nvidia_smi(snapshot, facts),
        _kernel_module(snapshot, facts),
        _kernel(snapshot, facts),
        _secure_boot(snapshot, facts),
        _builds(snapshot, facts),
        _processes(snapshot, facts),
        _packages(snapshot, facts),
    )
    return (*lines, _whole(snapshot, facts, lines))


def _nvidia_smi(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.nvidia-smi"
    short, full = snapshot.output(*smi_table.COMMAND), snapshot.output(*smi_report.COMMAND)
    output = _raw((short, full))
    if facts.table.driver and facts.report.driver:
        waiting = facts.table.smi not in (None, facts.table.driver)
        return Recorded(
            line,
            Verdict.FAIL if waiting else Verdict.PASS,
            f"driver {facts.table.driver}, CUDA {facts.table.cuda or 'unknown'}, "
            f"{_gpus_in_words(facts)}"
            + (f"; libraries {facts.table.smi}: {_mend(SmiFailure.MISMATCH)}" if waiting else "")
            + _not_understood(facts),
            output,
            {"driver": facts.table.driver, "cuda": facts.table.cuda, "gpus": len(facts.gpus)},
        )
    if _bare(facts):
        return Recorded(line, Verdict.PASS, _nothing_installed(facts), output)
    failure = facts.table.failure or facts.report.failure
    if failure is not None:
        return Recorded(line, Verdict.FAIL, f"nvidia-smi: {failure}; {_mend(failure)}", output)
    if not _absent(facts):
        return Recorded(line, Verdict.FAIL, _outcomes(short, full), output)
    return Recorded(line, Verdict.NOT_CHECKABLE, f"{_outcomes(short, full)}; {_NOWHERE}", output)


def _kernel_module(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.kernel-module"
    said = snapshot.output(kernel_module.PATH)
    module = facts.module
    if module.version is not None:
        return Recorded(
            line,
            Verdict.PASS,
            f"{module.flavour} kernel module {module.version}",
            _raw((said,)),
            {"kernel_module": module.version, "flavour": module.flavour},
        )
    if _bare(facts):
        return Recorded(line, Verdict.PASS, _nothing_installed(facts), _raw((said,)))
    if said.usable:
        reason = f"{kernel_module.PATH} has no version that is known: {said.text.strip()[:120]}"
        return Recorded(line, Verdict.FAIL, reason, _raw((said,)))
    if facts.driver is not None:
        reason = (
            f"{said.outcome}, though nvidia-smi shows driver {facts.driver}: this is a container, "
            "or WSL; run this on the host itself"
        )
        return Recorded(line, Verdict.FAIL, reason, _raw((said,)))
    if not _absent(facts):
        reason = f"{said.outcome}: the driver's kernel module is not loaded"
        return Recorded(line, Verdict.FAIL, reason, _raw((said,)))
    return Recorded(line, Verdict.NOT_CHECKABLE, f"{said.outcome}; {_NOWHERE}", _raw((said,)))


def _kernel(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.kernel"
    outputs = [snapshot.output(*kernel.COMMAND), snapshot.output(boot.BOOT_ID)]
    if facts.release is None:
        return Recorded(line, Verdict.FAIL, _outcomes(*outputs), _raw(outputs))
    reason = f"kernel {facts.release}"
    if facts.reboot_due is not None:
        waiting = ", ".join(facts.reboot_due) or "some package"
        reason += f"; a reboot is due already ({waiting}): reboot before the window"
    return Recorded(line, Verdict.PASS, reason, _raw(outputs), {"kernel": facts.release})


def _secure_boot(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.secure-boot"
    outputs = [snapshot.output(*secure_boot.COMMAND), snapshot.output(secure_boot.VARIABLE)]
    if facts.secure_boot is SecureBoot.UNKNOWN:
        reason = f"unknown ({_outcomes(*outputs)}); install mokutil, and run this as root"
        return Recorded(line, Verdict.NOT_CHECKABLE, reason, _raw(outputs))
    figures = {"secure_boot": facts.secure_boot.name.lower()}
    return Recorded(line, Verdict.PASS, facts.secure_boot, _raw(outputs), figures)


def _builds(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return how the kernel module comes to be: built by DKMS, or ready-made."""
    line = "0.facts.dkms"
    said = snapshot.output(*dkms.COMMAND)
    outputs = [said]
    if facts.release is not None:
        outputs.append(snapshot.output(kernel.headers_path(facts.release)))
    ready_made = [each.name for each in facts.driver_packages if each.name.startswith("linux-")]
    built = [each for each in facts.dkms.modules if each.is_nvidia]
    headers = "headers present" if facts.headers else "no headers for the running kernel"
    if built:
        which = ", ".join(f"{each.version} {each.state} for {each.kernel}" for each in built)
        verdict = Verdict.PASS if facts.headers else Verdict.FAIL
        mend = "" if facts.headers else f"; install linux-headers-{facts.release}"
        return Recorded(line, verdict, f"DKMS: {which}; {headers}{mend}", _raw(outputs))
    if ready_made:
        reason = f"ready-made kernel modules: {', '.join(ready_made)}; {headers}"
        return Recorded(line, Verdict.PASS, reason, _raw(outputs))
    if _bare(facts):
        return Recorded(
            line, Verdict.PASS, f"{_nothing_installed(facts)}; {headers}", _raw(outputs)
        )
    reason = f"{said.outcome}; no NVIDIA module is built or installed by a package; {headers}"
    verdict = Verdict.NOT_CHECKABLE if _absent(facts) else Verdict.FAIL
    return Recorded(line, verdict, reason, _raw(outputs))


def _processes(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.processes"
    listed = snapshot.output(*gpu_processes.SOURCE)
    outputs = [listed, *snapshot.beginning("/proc/"), *snapshot.beginning("getent ")]
    outputs = [each for each in outputs if each.source not in (kernel_module.PATH, boot.BOOT_ID)]
    if not listed.usable:
        if _bare(facts):
            return Recorded(line, Verdict.PASS, _nothing_installed(facts), _raw(outputs))
        if _absent(facts):
            reason = f"{listed.outcome}; {_NOWHERE}"
            return Recorded(line, Verdict.NOT_CHECKABLE, reason, _raw(outputs))
        return Recorded(line, Verdict.FAIL, listed.outcome, _raw(outputs))
    hidden = [user for user in facts.users if user.user is None]
    if hidden:
        pids = ", ".join(str(user.pid) for user in hidden)
        reason = f"whose the GPU processes {pids} are is hidden; run this as root, on the host"
        return Recorded(line, Verdict.FAIL, reason, _raw(outputs))
    words = "; ".join(in_words(user) for user in facts.users) or "no process uses a GPU"
    return Recorded(line, Verdict.PASS, words, _raw(outputs), {"processes": len(facts.users)})


def _packages(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    line = "0.facts.packages"
    outputs = [
        snapshot.output(*packages.SOURCE),
        snapshot.output(*packages.HOLDS_COMMAND),
        snapshot.output(*APT_POLICY),
        snapshot.output(os_release.PATH),
    ]
    installed, known = facts.driver_packages, facts.candidates.packages
    held = sorted(facts.holds & {each.name for each in installed})
    reason = (
        f"{len(installed)} packages of the driver installed"
        + (f" (on hold: {', '.join(held)})" if held else "")
        + f", {len(known)} driver packages known to apt, on {facts.os.name or 'an unknown system'}"
    )
    if (installed or _bare(facts)) and known:
        return Recorded(line, Verdict.PASS, reason, _raw(outputs), {"packages": len(installed)})
    if _absent(facts):
        return Recorded(line, Verdict.NOT_CHECKABLE, f"{reason}; {_NOWHERE}", _raw(outputs))
    if not installed:
        reason += "; a driver that no package brought cannot be planned here: see its installer"
    else:
        reason += "; run `apt-get update`, or add the repository of the driver"
    return Recorded(line, Verdict.FAIL, reason, _raw(outputs))


def _whole(snapshot: Snapshot, facts: HostFacts, lines: Iterable[Recorded]) -> Recorded:
    missing = [each.line for each in lines if each.verdict is not Verdict.PASS]
    if snapshot.machine is None:
        verdict, reason = Verdict.FAIL, "this machine has no /etc/machine-id to be known by"
    elif missing:
        # The others name what is missing; a record with gaps is no ground for a plan.
        verdict = Verdict.NOT_CHECKABLE if _absent(facts) else Verdict.FAIL
        reason = f"{snapshot.host}: not recorded: {', '.join(missing)}"
    else:
        verdict, reason = Verdict.PASS, f"{snapshot.host}: everything is recorded"
    return Recorded(SNAPSHOT_LINE, verdict, reason, snapshot.model_dump_json(indent=1))


def in_words(user: GpuUser) -> str:
    """Describe a process on a GPU for a person."""
    where = user.unit or (f"container {user.container}" if user.container else "no service")
    memory = f", {user.used_mib} MiB" if user.used_mib is not None else ""
    return f"{user.name or 'process'} (pid {user.pid}) of {user.user or 'unknown'}, {where}{memory}"


_NOWHERE = "this machine shows no NVIDIA GPU, so run this on the GPU host"


def _absent(facts: HostFacts) -> bool:
    """Whether nothing here is NVIDIA's."""
    return not facts.nvidia_devices and facts.driver is None


def _bare(facts: HostFacts) -> bool:
    """Whether there are GPUs and nothing of a driver, which is a state to go back to as well."""
    return bool(facts.nvidia_devices) and facts.driver is None and not facts.driver_packages


def _nothing_installed(facts: HostFacts) -> str:
    return f"{len(facts.nvidia_devices)} NVIDIA GPUs and no driver: the way back is to remove it"


def _gpus_in_words(facts: HostFacts) -> str:
    names: dict[str, int] = {}
    for gpu in facts.gpus:
        mig = f" in {len(gpu.mig_devices)} MIG devices" if gpu.mig else ""
        label = f"{gpu.name or 'unknown GPU'}{mig}"
        names[label] = names.get(label, 0) + 1
    return ", ".join(f"{count} x {name}" for name, count in names.items()) or "no GPU"


def _not_understood(facts: HostFacts) -> str:
    """Return what is odd about an answer that is good as a whole, such as a warning at its end."""
    attached, told = facts.report.attached, len(facts.gpus)
    odd = (
        [f"{attached} GPUs are attached, {told} are told of"]
        if attached not in (None, told)
        else []
    )
    odd += facts.table.unknown[:2]
    return f"; not understood: {'; '.join(odd)}" if odd else ""


def _mend(failure: SmiFailure) -> str:
    match failure:
        case SmiFailure.MISMATCH:
            return "a newer driver waits for its reboot; reboot, then record again"
        case SmiFailure.DENIED:
            return "run this as root"
        case SmiFailure.NO_DEVICES | SmiFailure.DEVICE_LOST:
            return "look into the kernel's log (dmesg) before anything is changed"
        case SmiFailure.NO_DRIVER | SmiFailure.OTHER:
            return "mend the present driver first: there is no working state to go back to"


def _outcomes(*outputs: Output) -> str:
    return ", ".join(each.outcome for each in outputs)


def _raw(outputs: Iterable[Output]) -> str:
    return "\n".join(_block(each) for each in outputs)


def _block(output: Output) -> str:
    return "\n".join(_block_lines(output)) + "\n"


def _block_lines(output: Output) -> Iterator[str]:
    yield f"$ {output.source}"
    if output.trouble is not None:
        yield f"[{output.trouble}]"
    elif output.exit_code:
        yield f"[exit code {output.exit_code}]"
    if output.said.strip():
        yield output.said.rstrip()
