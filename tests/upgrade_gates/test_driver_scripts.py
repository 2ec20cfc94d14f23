"""The scripts that a person runs: the way there, the way back, and everything that they refuse."""

from __future__ import annotations

import datetime
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upgrade_gates.context import Window
from upgrade_gates.driver.change import Change, parse_simulation
from upgrade_gates.driver.plan import DriverPlan, choose_package, make_plan
from upgrade_gates.driver.script import rollback_script, upgrade_script, write_script
from upgrade_gates.host.facts import understand
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates_testing.apt_hosts import BASH, MOK, NEW_PACKAGES, OLD_PACKAGES, SERVICE, AptHost
from upgrade_gates_testing.hosts import KERNEL, NEW, OLD

NOW = datetime.datetime.now(datetime.UTC)
OPEN_WINDOW = Window(start=NOW - datetime.timedelta(hours=1), end=NOW + datetime.timedelta(hours=9))


class Rig:
    """A host, its plan, and both scripts."""

    def __init__(self, folder: Path, *, window: Window = OPEN_WINDOW) -> None:
        self.host = AptHost(folder / "host")
        snapshot = take_snapshot(self.host.host.machine, now=NOW)
        facts, matrices = understand(snapshot), load_matrices()
        matrix = matrices.matrices["A"]
        self.plan = make_plan(
            snapshot,
            facts,
            choose_package(facts, matrices, matrix, None),
            self.host.host.machine,
            matrix="A",
            owner="Ada 'the' $(Owner)",
            window=window,
            now=NOW,
        )
        self.folder = folder / "plan dir"
        self.folder.mkdir()
        self.upgrade, self.rollback = self.folder / "upgrade.sh", self.folder / "rollback.sh"
        root = str(self.host.host.root)
        write_script(self.upgrade, upgrade_script(self.plan, root=root))
        write_script(self.rollback, rollback_script(self.plan, root=root))
        self.host.clear_log()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def test_the_plan_is_what_apt_announced(rig: Rig) -> None:
    plan = rig.plan
    assert plan.selection == (f"nvidia-driver-580-server={NEW}",)
    assert {each.name: (each.before, each.after) for each in plan.changes} == {
        **{name: (OLD, None) for name in OLD_PACKAGES},
        **{name: (None, NEW) for name in (*NEW_PACKAGES, "nvidia-firmware-580")},
    }
    assert plan.held_before == ("nvidia-driver-535-server",)
    assert set(plan.hold_after) == {*NEW_PACKAGES, "nvidia-firmware-580"}
    assert (plan.services, plan.others) == ((SERVICE,), ())
    assert (plan.driver_before, plan.driver_after, plan.gpus) == ("535.183.01", "580.95.05", 8)
    assert (plan.secure_boot, plan.modules) == (SecureBoot.ENABLED, "dkms")
    assert DriverPlan.model_validate_json(plan.model_dump_json()) == plan


def test_there_and_back_again(rig: Rig) -> None:
    before = rig.host.apt
    packages = rig.host.installed
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 0, done.stdout + done.stderr
    request = f"nvidia-driver-580-server={NEW}"
    assert rig.host.log() == [
        "apt-get update",
        f"apt-get --simulate --yes --allow-change-held-packages install {request}",
        *(f"apt-get download {name}={OLD}" for name in sorted(OLD_PACKAGES)),
        f"systemctl stop {SERVICE}",
        "apt-mark unhold nvidia-driver-535-server",
        f"apt-get --yes --allow-change-held-packages install {request}",
        f"apt-mark hold {' '.join(rig.plan.hold_after)}",
        f"update-initramfs -u -k {KERNEL}",
        f"mokutil --test-key {rig.host.host.root}{MOK}",
    ]
    upgraded = rig.host.apt
    assert rig.host.installed == dict.fromkeys((*NEW_PACKAGES, "nvidia-firmware-580"), NEW)
    assert set(upgraded["holds"]) == set(rig.plan.hold_after)
    assert "systemctl reboot" in done.stdout
    assert "Ada 'the' $(Owner)" in done.stdout

    rig.host.clear_log()
    # What the archive no longer has comes from the files that were kept.
    rig.host.change(available={**upgraded["available"], "nvidia-utils-535-server": []})
    back = rig.host.run(rig.rollback)
    assert back.returncode == 0, back.stdout + back.stderr
    assert rig.host.installed == packages
    assert rig.host.apt["holds"] == before["holds"]
    assert "not the exact inverse" not in back.stdout
    installs = [line for line in rig.host.log() if " install " in line]
    assert len(installs) == 2
    for name in OLD_PACKAGES:
        assert f"{rig.folder}/kept/{name}_{OLD}_amd64.deb" in installs[1]
    for name in NEW_PACKAGES:
        assert f" {name}-" in installs[1]


def test_neither_script_runs_twice(rig: Rig) -> None:
    too_early = rig.host.run(rig.rollback)
    assert too_early.returncode == 1
    assert "nothing to go back from" in too_early.stderr
    for script in (rig.upgrade, rig.rollback):
        assert rig.host.run(script).returncode == 0
        state = rig.host.installed
        rig.host.clear_log()
        again = rig.host.run(script)
        assert again.returncode == 1
        assert "refused: this ran before" in again.stderr
        assert (rig.host.log(), rig.host.installed) == ([], state)


def changed_machine(rig: Rig) -> None:
    rig.host.host.file("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n")


def changed_kernel(rig: Rig) -> None:
    rig.host.host.tool("uname", {"-r": "6.8.0-60-generic"})


def changed_package(rig: Rig) -> None:
    rig.host.install({**rig.host.installed, "nvidia-utils-535-server": "535.216.01-0ubuntu1"})


def no_rollback(rig: Rig) -> None:
    rig.rollback.unlink()


def no_root(rig: Rig) -> None:
    rig.host.host.tool("id", {"-u": "1000"})


def other_versions(rig: Rig) -> None:
    rig.host.change(after_update={"nvidia-firmware-580": [NEW, "580.126.09-0ubuntu0.22.04.1"]})


def gone_package(rig: Rig) -> None:
    rig.host.change(after_update={"nvidia-utils-535-server": []})


def another_user(rig: Rig) -> None:
    (rig.host.state / "others").write_text("777, /home/ada/train.py\n")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (changed_machine, "this is another machine"),
        (changed_kernel, "the kernel is 6.8.0-60-generic"),
        (changed_package, "nvidia-utils-535-server is 535.216.01-0ubuntu1"),
        (no_rollback, "there is no way back yet"),
        (no_root, "run this as root"),
        (other_versions, "apt would change other packages than it was planned"),
        (gone_package, "dpkg-repack nvidia-utils-535-server"),
        (another_user, "ask their owners"),
    ],
)
def test_refusals_before_anything_is_changed(rig: Rig, spoil: object, reason: str) -> None:
    assert callable(spoil)
    spoil(rig)
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 1, done.stdout + done.stderr
    assert reason in done.stderr
    assert not (rig.folder / "upgrade.started").exists()
    assert not [
        line for line in rig.host.log() if "--yes --allow" in line and "--simulate" not in line
    ]
    # Services that were stopped for nothing run again.
    assert (rig.host.state / SERVICE).exists()


def test_a_refusal_can_be_mended_and_the_script_run_again(rig: Rig) -> None:
    gone_package(rig)
    assert rig.host.run(rig.upgrade).returncode == 1
    repacked = rig.folder / "kept" / f"nvidia-utils-535-server_{OLD}_amd64.deb"
    repacked.write_text("repacked")
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 0, done.stdout + done.stderr
    assert repacked.read_text() == "repacked"


def test_versions_with_an_epoch_are_kept_and_found(rig: Rig) -> None:
    epoch = "1:535.183.01-1"
    changes = tuple(
        each.model_copy(update={"before": epoch}) if each.name == OLD_PACKAGES[0] else each
        for each in rig.plan.changes
    )
    plan = rig.plan.model_copy(update={"changes": changes})
    root = str(rig.host.host.root)
    write_script(rig.upgrade, upgrade_script(plan, root=root))
    write_script(rig.rollback, rollback_script(plan, root=root))
    rig.host.install({**rig.host.installed, OLD_PACKAGES[0]: epoch})
    rig.host.change(available={**rig.host.apt["available"], OLD_PACKAGES[0]: [epoch]})
    before = rig.host.installed
    assert rig.host.run(rig.upgrade).returncode == 0
    kept = rig.folder / "kept" / f"{OLD_PACKAGES[0]}_1%3a535.183.01-1_amd64.deb"
    assert kept.exists()
    assert rig.host.run(rig.rollback).returncode == 0
    assert rig.host.installed == before


def test_from_no_driver_and_back_to_none(rig: Rig) -> None:
    rig.host.install({})
    rig.host.change(holds=[])
    (rig.host.host.tools / "nvidia-smi").unlink()
    plan = rig.plan.model_copy(
        update={
            "changes": tuple(each for each in rig.plan.changes if each.after),
            "driver_before": None,
            "held_before": (),
            "services": (),
        }
    )
    root = str(rig.host.host.root)
    write_script(rig.upgrade, upgrade_script(plan, root=root))
    write_script(rig.rollback, rollback_script(plan, root=root))
    there = rig.host.run(rig.upgrade)
    assert there.returncode == 0, there.stdout + there.stderr
    assert set(rig.host.installed) == {*NEW_PACKAGES, "nvidia-firmware-580"}
    back = rig.host.run(rig.rollback)
    assert back.returncode == 0, back.stdout + back.stderr
    assert (rig.host.installed, rig.host.apt["holds"]) == ({}, [])


@pytest.mark.parametrize("hours", [(-3, -1), (1, 3)])
def test_only_in_the_window(tmp_path: Path, hours: tuple[int, int]) -> None:
    start, end = (NOW + datetime.timedelta(hours=each) for each in hours)
    rig = Rig(tmp_path, window=Window(start=start, end=end))
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 1
    assert "and the window is" in done.stderr
    assert rig.host.log() == []


def test_a_module_that_was_not_built_stops_before_the_reboot(rig: Rig) -> None:
    rig.host.change(unbuilt=True)
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 1
    assert (
        f"for kernel {KERNEL}, which starts next, the nvidia module is none and not 580.95.05; do "
        "not reboot" in done.stderr
    )
    assert "systemctl reboot" not in done.stdout
    rig.host.change(unbuilt=False)
    assert rig.host.run(rig.rollback).returncode == 0
    assert set(rig.host.installed) == set(OLD_PACKAGES)


def test_the_kernel_that_starts_next_counts(rig: Rig) -> None:
    boot = rig.host.host.root / "boot"
    boot.mkdir()
    (boot / "vmlinuz-6.8.0-60-generic").touch()
    (boot / "vmlinuz").symlink_to("vmlinuz-6.8.0-60-generic")
    # Ubuntu's ready-made modules come for the newest kernel alone.
    rig.host.change(built_for=["6.8.0-60-generic"])
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kernel 6.8.0-60-generic, which starts next, has nvidia 580.95.05" in done.stdout
    assert f"kernel {KERNEL}, which runs now, has nvidia none" in done.stdout
    assert "update-initramfs -u -k 6.8.0-60-generic" in rig.host.log()


def test_an_installation_that_fails_says_how_to_go_back(rig: Rig) -> None:
    rig.host.change(breaks=True)
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 100
    assert "failed in step 6" in done.stderr
    assert "Do not reboot" in done.stderr
    assert str(rig.rollback) in done.stderr
    # Half an upgrade: one new package is there, one old one is gone.
    rig.host.change(breaks=False)
    installed = rig.host.installed
    del installed["nvidia-utils-535-server"]
    rig.host.install({**installed, "nvidia-firmware-580": NEW})
    back = rig.host.run(rig.rollback)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "not the exact inverse" in back.stdout
    assert set(rig.host.installed) == set(OLD_PACKAGES)


def test_a_key_that_is_not_enrolled_needs_the_console(rig: Rig) -> None:
    rig.host.enrolled(False)
    done = rig.host.run(rig.upgrade)
    assert done.returncode == 0
    assert f"mokutil --import {rig.host.host.root}{MOK}" in done.stdout
    assert "Enroll MOK" in done.stdout


def test_debian_keeps_the_key_elsewhere(rig: Rig) -> None:
    (rig.host.host.root / MOK.lstrip("/")).unlink()
    rig.host.enrolled(False)
    done = rig.host.run(rig.upgrade)
    assert f"mokutil --import {rig.host.host.root}/var/lib/dkms/mok.pub" in done.stdout


def test_bash_and_shellcheck_find_nothing(rig: Rig) -> None:
    for script in (rig.upgrade, rig.rollback):
        syntax = subprocess.run([BASH, "-n", str(script)], capture_output=True, check=False)
        assert (syntax.returncode, syntax.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(rig: Rig) -> None:
    for script in (rig.upgrade, rig.rollback):
        found = subprocess.run(
            ["shellcheck", str(script)], capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout) == (0, "")


VERSIONS = st.none() | st.from_regex(r"[0-9]{1,3}:?[0-9][0-9.~+-]{0,8}", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
CHANGES = st.dictionaries(
    NAMES, st.tuples(VERSIONS, VERSIONS).filter(lambda each: each[0] != each[1]), min_size=1
).map(
    lambda found: tuple(
        Change(name=name, before=before, after=after) for name, (before, after) in found.items()
    )
)


@settings(deadline=None)
@given(CHANGES, st.text(max_size=20))
def test_both_scripts_name_the_same_packages(changes: tuple[Change, ...], owner: str) -> None:
    plan = DriverPlan(
        plan_id="p",
        made_at=NOW,
        host="gpu1",
        machine="0" * 64,
        boot_id=None,
        kernel=KERNEL,
        matrix="A",
        owner=owner.replace("\0", ""),
        window=OPEN_WINDOW,
        driver_before="535.183.01",
        driver_after="580.95.05",
        gpus=1,
        selection=(),
        changes=changes,
        held_before=(),
        hold_after=(),
        services=(),
        others=(),
        secure_boot=SecureBoot.DISABLED,
        modules="dkms",
    )
    there, back = _changes(upgrade_script(plan)), _changes(rollback_script(plan))
    assert there == {each.name: (each.before or "-", each.after or "-") for each in changes}
    assert back == {name: (after, before) for name, (before, after) in there.items()}
    assert tuple(each.reversed for each in plan.reversed) == plan.changes


def _changes(script: str) -> dict[str, tuple[str, str]]:
    """Return the packages that a script names, with both versions."""
    listed = re.search(r"^changes=\(\n(.*?)^\)$", script, re.MULTILINE | re.DOTALL)
    assert listed is not None
    rows = (line.strip().strip("'").split(" ") for line in listed[1].splitlines())
    return {name: (before, after) for name, before, after in rows}


def test_what_apt_announces() -> None:
    text = (
        "NOTE: This is only a simulation!\n"
        "Remv nvidia-utils-535 [535.183.01-0ubuntu1] [nvidia-driver-535:amd64 ]\n"
        "Inst libdrm2 [2.4.120-2] (2.4.122-1 Ubuntu:24.04/noble-updates [amd64]) []\n"
        "Inst nvidia-utils-580 (580.95.05-0ubuntu1 Ubuntu:24.04/noble-updates, "
        "Ubuntu:24.04/noble-security [amd64])\n"
        "Inst libdrm2:i386 [2.4.120-2] (2.4.122-1 Ubuntu:24.04/noble-updates [i386])\n"
        "Conf libdrm2 (2.4.122-1 Ubuntu:24.04/noble-updates [amd64])\n"
        "Purg old-thing [1:2.0]\n"
    )
    assert [each.words for each in parse_simulation(text)] == [
        "libdrm2 2.4.120-2 2.4.122-1",
        "libdrm2:i386 2.4.120-2 2.4.122-1",
        "nvidia-utils-535 535.183.01-0ubuntu1 -",
        "nvidia-utils-580 - 580.95.05-0ubuntu1",
        "old-thing 1:2.0 -",
    ]


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["Inst a (1)", "Remv a [1]", "Inst a [1] (2 x)"])).map("\n".join)
)
def test_any_announcement_is_understood_somehow(text: str) -> None:
    for change in parse_simulation(text):
        assert change.before != change.after
