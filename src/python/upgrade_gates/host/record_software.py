"""Gate 0's lines about what the driver stands on: kernel, Secure Boot, DKMS, packages."""

from __future__ import annotations

from collections.abc import Iterator

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host import boot, dkms, kernel, os_release, packages, secure_boot
from upgrade_gates.host.facts import HostFacts
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
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import APT_POLICY, INSTALLER, Snapshot


def running_kernel(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return the kernel, and whether another one waits."""
    line = "0.facts.kernel"
    outputs = [
        snapshot.output(*kernel.COMMAND),
        snapshot.output(kernel.PATH),
        snapshot.output(boot.BOOT_ID),
    ]
    if facts.release is None:
        return Recorded(line, Verdict.FAIL, outcomes(outputs[0]), raw(outputs))
    itself = outputs[1]
    if itself.usable and itself.text.strip() != facts.release:
        reason = (
            f"uname says {facts.release}, and the kernel itself {itself.text.strip()[:80]}; run "
            "this without setarch, and with the system's own uname first on PATH"
        )
        return Recorded(line, Verdict.FAIL, reason, raw(outputs))
    reason = f"kernel {facts.release}"
    if facts.reboot_due is not None:
        waiting = ", ".join(facts.reboot_due) or "some package"
        reason += f"; a reboot is due already ({waiting}): reboot before the window"
    return Recorded(line, Verdict.PASS, reason, raw(outputs), {"kernel": facts.release})


def signatures(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return the state of Secure Boot."""
    line = "0.facts.secure-boot"
    outputs = [snapshot.output(*secure_boot.COMMAND), snapshot.output(secure_boot.VARIABLE)]
    if facts.secure_boot is SecureBoot.UNKNOWN:
        reason = f"unknown ({outcomes(*outputs)}); install mokutil, and run this as root"
        return Recorded(line, Verdict.NOT_CHECKABLE, reason, raw(outputs))
    figures = {"secure_boot": facts.secure_boot.name.lower()}
    return Recorded(line, Verdict.PASS, facts.secure_boot, raw(outputs), figures)


def builds(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return how the running kernel module came to be: by DKMS, ready-made, or by an installer."""
    line = "0.facts.dkms"
    outputs = [snapshot.output(*dkms.COMMAND)]
    if facts.release is not None:
        outputs.append(snapshot.output(kernel.headers_path(facts.release)))
    verdict, reason = _built(facts, outputs[0].outcome)
    return Recorded(line, verdict, reason, raw(outputs))


def _built(facts: HostFacts, outcome: str) -> tuple[Verdict, str]:
    headers = "headers present" if facts.headers else "no headers for the running kernel"
    ready_made = [each.name for each in facts.driver_packages if each.name.startswith("linux-")]
    modules = [each for each in facts.dkms.modules if each.is_nvidia]
    if ready_made:
        return _ready_made(facts, ready_made, headers)
    if modules and not facts.installer:
        return _built_by_dkms(facts, modules, headers)
    if bare(facts):
        return Verdict.PASS, f"{nothing_installed(facts)}; {headers}"
    if facts.installer:
        reason = f"the kernel module was built by NVIDIA's installer; {headers}"
        return (Verdict.PASS, reason) if facts.headers else (Verdict.FAIL, reason + _lacking(facts))
    if other := elsewhere(facts):
        return Verdict.FAIL, other
    reason = f"{outcome}; no NVIDIA module is built or installed by a package; {headers}"
    return (Verdict.NOT_CHECKABLE if absent(facts) else Verdict.FAIL), reason


def _ready_made(facts: HostFacts, names: list[str], headers: str) -> tuple[Verdict, str]:
    reason = f"ready-made kernel modules: {', '.join(names)}; {headers}"
    if facts.release is not None and any(each.endswith(facts.release) for each in names):
        return Verdict.PASS, reason
    return Verdict.FAIL, f"{reason}; none of them is for the running kernel {facts.release}"


def _built_by_dkms(
    facts: HostFacts, modules: list[dkms.DkmsModule], headers: str
) -> tuple[Verdict, str]:
    which = ", ".join(_in_words(each) for each in modules)
    reason = f"DKMS: {which}; {headers}"
    if not facts.headers:
        return Verdict.FAIL, reason + _lacking(facts)
    installed = [
        each
        for each in modules
        if each.state == "installed"
        and each.kernel == facts.release
        and facts.driver in (None, each.version)
    ]
    if not installed:
        driver = facts.driver or modules[0].version
        return Verdict.FAIL, (
            f"{reason}; none is installed for the running kernel {facts.release} as driver "
            f"{driver}: run `dkms autoinstall -k {facts.release}`, look into make.log below "
            "/var/lib/dkms if that fails, and record again"
        )
    return Verdict.PASS, reason


def _in_words(each: dkms.DkmsModule) -> str:
    remark = f" {each.remark}" if each.remark else ""
    return f"{each.name} {each.version} {each.state} for {each.kernel or 'no kernel'}{remark}"


def _lacking(facts: HostFacts) -> str:
    return f"; install linux-headers-{facts.release}"


def driver_packages(snapshot: Snapshot, facts: HostFacts) -> Recorded:
    """Return the packages of the driver, and whether they are the driver that runs."""
    line = "0.facts.packages"
    outputs = [
        snapshot.output(*packages.SOURCE),
        snapshot.output(*packages.HOLDS_COMMAND),
        snapshot.output(*packages.STATES_SOURCE),
        snapshot.output(*APT_POLICY),
        snapshot.output(os_release.PATH),
    ]
    verdict, reason = _packaged(facts)
    return Recorded(line, verdict, reason, raw(outputs), {"packages": len(facts.driver_packages)})


def _packaged(facts: HostFacts) -> tuple[Verdict, str]:
    installed, known = facts.driver_packages, facts.candidates.packages
    held = sorted(facts.holds & {each.name for each in installed})
    reason = (
        f"{len(installed)} packages of the driver installed"
        + (f" (on hold: {', '.join(held)})" if held else "")
        + f", {len(known)} driver packages known to apt, on {facts.os.name or 'an unknown system'}"
    )
    if other := elsewhere(facts):
        return Verdict.FAIL, f"{reason}; {other}"
    if absent(facts):
        return Verdict.NOT_CHECKABLE, f"{reason}; {NOWHERE}"
    if not facts.os.has_apt:
        return Verdict.FAIL, f"{reason}; {facts.os.without_apt}"
    if problems := list(_package_problems(facts)):
        return Verdict.FAIL, "; ".join([reason, *problems])
    if facts.installer:
        return Verdict.PASS, f"{reason}; driver {facts.driver} came from NVIDIA's installer"
    return Verdict.PASS, reason


def _package_problems(facts: HostFacts) -> Iterator[str]:
    if facts.half_way:
        more = f" and {len(facts.half_way) - 3} more" if len(facts.half_way) > 3 else ""
        yield (
            f"left half-way by dpkg: {', '.join(facts.half_way[:3])}{more}; run `dpkg --configure "
            "-a` and `apt-get --fix-broken install`, then record again"
        )
    if not facts.driver_packages and facts.driver is not None and not facts.installer:
        yield (
            f"no package brought driver {facts.driver}, and there is no {INSTALLER}: install it "
            "by packages or by NVIDIA's installer, so that it can be removed and put back"
        )
    if strangers := facts.strangers:
        removal = f" with {INSTALLER}" if facts.installed_by_run else ""
        yield (
            f"driver {facts.driver} runs, and is not of these packages: "
            f"{', '.join(f'{each.name} {each.version}' for each in strangers[:3])}; remove the one "
            f"that is not wanted{removal}, reboot, and record again"
        )
    if not facts.candidates.packages and not facts.installer:
        yield "run `apt-get update`, or add the repository of the driver"
