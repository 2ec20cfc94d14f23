"""The scripts that a person runs, with the real apt and dpkg: what they refuse and what they do."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from upgrade_gates.context import Window
from upgrade_gates.driver.script import rollback_script, upgrade_script, write_script
from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import DebStore
from upgrade_gates_testing.bench.host import MOK, SERVICE, BenchHost
from upgrade_gates_testing.bench.layouts import DRIVER, UBUNTU, V535, V580_LATER, ubuntu_host
from upgrade_gates_testing.bench.walk import Walk
from upgrade_gates_testing.hosts import KERNEL

NEXT_KERNEL = "6.8.0-60-generic"


@pytest.fixture
def planned(tmp_path: Path, store: DebStore) -> Walk:
    """A host with driver 535, and both scripts."""
    walked = Walk(ubuntu_host(tmp_path, store), tmp_path)
    step = walked.make_plans()
    assert step.ok, step.said
    return walked


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "nothing is changed without --yes"),
        (("--dryrun",), 2, "unknown arguments: --dryrun"),
        (("--yes", "--dry-run"), 2, "unknown arguments"),
        (("-y",), 2, "unknown arguments: -y"),
        (("--help",), 0, "--dry-run  show every step"),
    ],
)
def test_nothing_is_changed_but_with_yes(
    planned: Walk, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before = planned.host.state
    for script in planned.scripts:
        done = planned.host.script(script, *arguments)
        assert done.returncode == code
        assert words in done.stdout + done.stderr
    assert planned.host.state == before


def test_a_dry_run_shows_every_step_and_what_apt_would_do(planned: Walk) -> None:
    planned.host.boot()
    before = planned.host.state
    said = planned.run("--dry-run").said
    assert [f"[{number}]" in said for number in range(1, 11)] == [True] * 10
    for words in (
        f"apt: Remv {DRIVER} [{V535}]",
        "apt: Inst libnvidia-compute-580-server:i386",
        "apt: Conf nvidia-driver-580-server",
        f"would keep libnvidia-compute-535-server:i386 {V535}",
        f"would run: systemctl stop {SERVICE}",
        "would run: apt-mark hold",
        f"would run: update-initramfs -u -k {KERNEL}",
        "Dry run: nothing was changed.",
    ):
        assert words in said
    assert planned.host.state == before
    assert (planned.host.services / SERVICE).exists()
    assert not (planned.scripts[0].parent / "upgrade.started").exists()
    assert planned.run("--yes").ok
    upgraded = planned.host.state
    back = planned.run_back("--dry-run")
    assert back.ok, back.said
    assert f"apt: Inst {DRIVER}" in back.said
    assert planned.host.state == upgraded


def test_a_dry_run_outside_of_the_window_is_a_rehearsal(planned: Walk) -> None:
    tomorrow = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
    _rewrite(planned, window=Window(start=tomorrow, end=tomorrow + datetime.timedelta(hours=2)))
    assert planned.run("--dry-run").ok
    refused = planned.run("--yes")
    assert not refused.ok
    assert f"the window is {tomorrow.isoformat(timespec='seconds')} to" in refused.said


def _rewrite(walked: Walk, **values: object) -> None:
    """Write both scripts again, from a plan with other values."""
    plan = walked.plan.model_copy(update=values)
    there, back = walked.scripts
    write_script(there, upgrade_script(plan, root=str(walked.host.root)))
    write_script(back, rollback_script(plan, root=str(walked.host.root)))


def test_neither_script_runs_twice(planned: Walk) -> None:
    too_early = planned.run_back("--yes")
    assert not too_early.ok
    assert "nothing to go back from" in too_early.said
    for run in (planned.run, planned.run_back):
        step = run("--yes")
        assert step.ok, step.said
        state = planned.host.state
        again = run("--yes")
        assert not again.ok
        assert "refused: this ran before" in again.said
        assert planned.host.state == state


def another_machine(walked: Walk) -> None:
    walked.host.host.file("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n")


def another_kernel(walked: Walk) -> None:
    walked.host.host.tool("uname", {"-r": NEXT_KERNEL})


def another_version(walked: Walk) -> None:
    walked.host.offer(drivers.ubuntu(535, "535.288.01-0ubuntu1"), UBUNTU)
    walked.host.apt("install", "nvidia-compute-utils-535-server")


def half_configured(walked: Walk) -> None:
    status = walked.host.root / "var/lib/dpkg/status"
    entry = "Package: nvidia-utils-535-server\nStatus: install ok "
    text = status.read_text()
    assert f"{entry}installed" in text
    status.write_text(text.replace(f"{entry}installed", f"{entry}half-configured"))


def no_rollback(walked: Walk) -> None:
    walked.scripts[1].unlink()


def no_root(walked: Walk) -> None:
    walked.host.program("id", "echo 1000")


def new_dependency(walked: Walk) -> None:
    walked.host.offer([deb for deb in UBUNTU if deb.name != "nvidia-settings"])


def new_hold(walked: Walk) -> None:
    walked.host.done("apt-mark", "hold", "nvidia-utils-535-server")


def another_user(walked: Walk) -> None:
    (walked.host.services / "others").write_text("777, /home/ada/train.py\n")


def no_network(walked: Walk) -> None:
    for file in walked.host.archive.folder.glob("nvidia-firmware-580*.deb"):
        file.unlink()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (another_machine, "this is another machine"),
        (another_kernel, f"the kernel is {NEXT_KERNEL}"),
        (another_version, "is 535.288.01-0ubuntu1, and the record has"),
        (half_configured, f"nvidia-utils-535-server is {V535} (half-configured)"),
        (no_rollback, "there is no way back yet"),
        (no_root, "run this as root"),
        (new_dependency, "< nvidia-settings"),
        (new_hold, "nvidia-utils-535-server was put on hold after the record"),
        (another_user, "ask their owners"),
        (no_network, "failed in step 5"),
    ],
)
def test_refusals_before_anything_is_changed(
    tmp_path: Path, store: DebStore, spoil: Callable[[Walk], None], reason: str
) -> None:
    host = ubuntu_host(tmp_path, store, install=())
    host.apt("install", "--no-install-recommends", DRIVER)
    host.boot()
    walked = Walk(host, tmp_path)
    step = walked.make_plans()
    assert step.ok, step.said
    script, _ = walked.scripts
    spoil(walked)
    before = host.state
    refused = host.script(script, "--yes")
    assert refused.returncode != 0
    assert reason in refused.stdout + refused.stderr
    assert not (script.parent / "upgrade.started").exists()
    assert host.state == before
    # Services that were stopped for nothing run again.
    assert (host.services / SERVICE).exists()


def test_when_the_archive_has_moved_on_a_new_plan_is_enough(planned: Walk) -> None:
    planned.host.offer(
        drivers.ubuntu(535, V535), drivers.ubuntu(580, V580_LATER), drivers.settings()
    )
    refused = planned.run("--yes")
    assert "record again" in refused.said
    assert "failed in step" not in refused.said
    step = planned.make_plans()
    assert step.ok, step.said
    done = planned.run("--yes")
    assert done.ok, done.said


def test_a_kept_file_that_was_cut_short_is_fetched_again(planned: Walk) -> None:
    kept = planned.scripts[0].parent / "kept"
    kept.mkdir()
    file = kept / f"{DRIVER}_{V535}_amd64.deb"
    file.write_bytes(b"!<arch>\n")
    done = planned.run("--yes")
    assert done.ok, done.said
    assert file.stat().st_size > 100
    assert (kept / f"libnvidia-compute-535-server_{V535}_i386.deb").exists()


def test_versions_with_an_epoch_are_kept_and_found(tmp_path: Path, store: DebStore) -> None:
    host = BenchHost(tmp_path / "host", store)
    old = drivers.debian("1:535.216.01-1", by_nvidia=True)
    host.offer(old)
    host.apt("install", "nvidia-driver")
    host.boot()
    host.offer(old, drivers.debian("1:580.95.05-1", by_nvidia=True))
    walked = Walk(host, tmp_path)
    step = walked.make_plans()
    assert step.ok, step.said
    before = host.state
    assert walked.run("--yes").ok
    assert (walked.scripts[0].parent / "kept" / "libcuda1_1%3a535.216.01-1_amd64.deb").exists()
    host.offer()  # the archive has nothing of it any more
    back = walked.run_back("--yes")
    assert back.ok, back.said
    assert host.state == before


def test_the_kernel_that_starts_next_counts(planned: Walk) -> None:
    boot = planned.host.root / "boot"
    boot.mkdir()
    (boot / f"vmlinuz-{NEXT_KERNEL}").touch()
    (boot / "vmlinuz").symlink_to(f"vmlinuz-{NEXT_KERNEL}")
    done = planned.run("--yes")
    assert not done.ok
    assert (
        f"for kernel {NEXT_KERNEL}, which starts next, the nvidia module is none and not 580.95.05;"
        in done.said
    )
    assert "systemctl reboot" not in done.said


def test_modules_for_the_next_kernel_alone(planned: Walk) -> None:
    test_the_kernel_that_starts_next_counts(planned)
    planned.host.program(
        "modinfo", f'[ "$2" = {NEXT_KERNEL} ] && echo 535.183.01 || {{ echo none; exit 1; }}'
    )
    back = planned.run_back("--yes")
    assert back.ok, back.said
    assert f"kernel {NEXT_KERNEL}, which starts next, has nvidia 535.183.01" in back.said
    assert f"kernel {KERNEL}, which runs now, has nvidia none" in back.said


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("MOK.der is already enrolled", 1, "is enrolled: nothing to do"),  # up to 0.7.2
        ("MOK.der is already enrolled", 0, "is enrolled: nothing to do"),  # later
        ("MOK.der is already in db", 0, "is enrolled: nothing to do"),
        ("MOK.der is already in the built-in trusted keyring", 255, "is enrolled: nothing to do"),
        ("CA of MOK.der is already enrolled", 255, "is enrolled: nothing to do"),
        ("MOK.der is not enrolled", 0, "mokutil --import"),  # up to 0.7.2
        ("MOK.der is not enrolled", 1, "mokutil --import"),
        ("MOK.der is already in the enrollment request", 0, "asked for already"),
        ("MOK.der is blocked in dbx", 0, "Do not reboot"),
        ("Failed to open MOK.der", 255, "is unknown"),
        ("", 127, "no answer"),
    ],
)
def test_every_answer_of_mokutil(planned: Walk, answer: str, code: int, words: str) -> None:
    planned.host.mokutil(answer, code)
    done = planned.run("--yes")
    assert done.ok == ("blocked" not in answer), done.said
    assert words in done.said
    assert ("Enroll MOK" in done.said) == ("enrolled: nothing to do" not in done.said and done.ok)


def test_debian_keeps_the_key_elsewhere(planned: Walk) -> None:
    (planned.host.root / MOK.lstrip("/")).unlink()
    planned.host.mokutil("mok.pub is not enrolled", 1)
    done = planned.run("--yes")
    assert f"mokutil --import {planned.host.root}/var/lib/dkms/mok.pub" in done.said


def test_bash_and_shellcheck_find_nothing(planned: Walk) -> None:
    for script in planned.scripts:
        syntax = subprocess.run(["/bin/bash", "-n", str(script)], capture_output=True, check=False)
        assert (syntax.returncode, syntax.stderr) == (0, b"")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing(planned: Walk) -> None:
    for script in planned.scripts:
        found = subprocess.run(
            ["shellcheck", "-S", "style", str(script)], capture_output=True, text=True, check=False
        )
        assert (found.returncode, found.stdout) == (0, "")
