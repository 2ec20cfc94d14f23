"""`driver plan|rollback-plan|verify`: from the record to the plan, from the plan to the verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from upgrade_gates.checklist.gates import gate_numbered
from upgrade_gates.driver.commands import (
    plan_driver,
    plan_rollback,
    verify_driver,
    verify_rollback,
)
from upgrade_gates.driver.plan import choose_package
from upgrade_gates.driver.recorded import planned
from upgrade_gates.driver.selection import selection
from upgrade_gates.driver.torch_check import EXPECTED_SUM, torch_check
from upgrade_gates.errors import PlanRefused, RecordMissing
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.facts import understand
from upgrade_gates.host.machine import Machine
from upgrade_gates.host.record_command import record_host
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.matrix.choose_command import explain, keep
from upgrade_gates.matrix.driver_packages import driver_package
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates.matrix.window import parse_window
from upgrade_gates.session import Session, open_session, utc_now
from upgrade_gates.status.state import State
from upgrade_gates.verification import Verification
from upgrade_gates_testing import host_texts
from upgrade_gates_testing.bench import drivers
from upgrade_gates_testing.bench.debs import Deb, DebStore
from upgrade_gates_testing.bench.layouts import (
    UBUNTU,
    V535,
    V570,
    V580,
    V580_LATER,
    offer_newer_libdrm,
    ubuntu_host,
)
from upgrade_gates_testing.bench.walk import Walk
from upgrade_gates_testing.hosts import Host
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import make_workspace

VALIDATION = ("1.install", "1.reboot", "1.validate.series", "1.validate.cuda", "1.validate.torch")


class Upgrade:
    """A workspace and a host, with gate 0 done."""

    def __init__(self, folder: Path, store: DebStore) -> None:
        self.base = folder
        self.bench = ubuntu_host(folder, store)
        self.bench.offer(UBUNTU, drivers.ubuntu(570, V570))
        self.walk = Walk(self.bench, folder)
        self.machine: Machine = self.bench.machine
        self.walk.record()

    @property
    def session(self) -> Session:
        return open_session(self.base)

    def kept(self, verification: Verification) -> dict[str, tuple[Verdict, str]]:
        """Keep findings as evidence, and return them by line."""
        self.session.store.append(verification.findings, command=["x"])
        return {each.check: (each.verdict, each.reason) for each in verification.findings}

    def planned(self) -> dict[str, tuple[Verdict, str]]:
        """Plan there and back."""
        there = self.kept(plan_driver(self.session, self.machine, None))
        return there | self.kept(plan_rollback(self.session, self.machine))

    def carried_out(self) -> None:
        """Run the script, and reboot."""
        done = self.walk.run("--yes")
        assert done.ok, done.said
        self.bench.boot()

    def planned_and_carried_out(self) -> None:
        """Change the driver once more, from a new record."""
        self.kept(record_host(self.session, self.machine))
        self.planned()
        self.carried_out()

    def verified(self, runtime: Path | None) -> dict[str, tuple[Verdict, str]]:
        """Verify."""
        return self.kept(verify_driver(self.session, self.machine, runtime))

    def states(self) -> dict[str, State]:
        """Return the state of every line of gate 1."""
        lines = self.session.judge().gate(gate_numbered(1)).lines
        return {each.line.id: each.state for each in lines}

    def gate_1_holds(self) -> bool:
        """What the operator's `status` says of gate 1."""
        return run(self.base, "status", "--gate", "1").returncode == 0


@pytest.fixture
def upgrade(tmp_path: Path, store: DebStore) -> Upgrade:
    return Upgrade(tmp_path, store)


def runtime(folder: Path, said: str, *, code: int = 0) -> Path:
    """Return a packed PEX whose torch says this, and that answers as an interpreter only."""
    pex = folder / "runtime.pex"
    pex.mkdir(exist_ok=True)
    (pex / "said").write_text(said)
    program = pex / "__main__.py"
    program.write_text(
        '#!/bin/sh\n[ "$PEX_INTERPRETER" = 1 ] || exit 9\n'
        f'case "$2" in *torch.arange*) /bin/cat "{pex}/said"; exit {code};; *) exit 8;; esac\n'
    )
    program.chmod(0o755)
    return pex


def torch_says(gpus: int, total: float = EXPECTED_SUM) -> str:
    devices = ", ".join(['"NVIDIA H100"'] * gpus)
    sums = ", ".join([str(total)] * gpus)
    return f'{{"torch": "2.9.0+cu128", "cuda": "12.8", "devices": [{devices}], "sums": [{sums}]}}'


def test_without_gate_0_nothing_is_planned(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    done = run(tmp_path, "driver", "plan")
    assert done.returncode == 2
    assert "gate 0 does not hold: 0.matrix (open), 0.window (open), 0.owner (open)" in done.stderr
    assert "0.facts.packages (open)" in done.stderr
    assert done.stderr.count("\n") == 1
    back = run(tmp_path, "driver", "rollback-plan")
    assert (back.returncode, back.stdout) == (2, "")
    assert "there is no plan" in back.stderr


def test_both_scripts_are_written_and_kept(upgrade: Upgrade) -> None:
    found = upgrade.planned()
    assert {verdict for verdict, _ in found.values()} == {Verdict.PASS}
    assert "535.183.01 to 580.95.05 by nvidia-driver-580-server, 21 packages" in found["1.plan"][1]
    said = found["1.plan"][1]
    assert "It stops vllm-stable.service. Read the script; next: upgrade_gates driver" in said
    assert "upgrade.sh --dry-run" in said
    (folder,) = (upgrade.base / ".upgrade" / "driver").iterdir()
    assert {each.name for each in folder.iterdir()} == {"upgrade.sh", "rollback.sh"}
    assert all(each.stat().st_mode & 0o111 for each in folder.iterdir())
    plan = planned(upgrade.session.store.read(), upgrade.machine).plan
    assert plan is not None
    assert plan.plan_id == folder.name
    assert not upgrade.gate_1_holds()


def test_who_must_leave_before_is_named(upgrade: Upgrade) -> None:
    upgrade.bench.host.file("/proc/4242/cgroup", host_texts.CGROUP_SESSION)
    upgrade.kept(record_host(upgrade.session, upgrade.machine))
    reason = upgrade.planned()["1.plan"][1]
    assert "It stops no service; these must be ended by their owners before it runs" in reason
    assert "VLLM::EngineCore (pid 4242) of vllm, no service, 75012 MiB" in reason


def test_a_record_of_another_machine_is_no_ground_for_a_plan(upgrade: Upgrade) -> None:
    upgrade.planned()
    upgrade.bench.host.file("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n")
    with pytest.raises(RecordMissing, match="the record is of gpu1, and this is another machine"):
        plan_driver(upgrade.session, upgrade.machine, None)
    with pytest.raises(PlanRefused, match="the plan is for gpu1, and this is another machine"):
        plan_rollback(upgrade.session, upgrade.machine)


def test_apt_that_would_not_do_it_is_quoted(upgrade: Upgrade) -> None:
    upgrade.bench.offer(drivers.ubuntu(535, V535), drivers.ubuntu(580, V580_LATER))
    with pytest.raises(PlanRefused, match="apt would not do it: .*E: Version '580.95.05"):
        plan_driver(upgrade.session, upgrade.machine, None)


def test_a_named_package_must_fit(upgrade: Upgrade) -> None:
    with pytest.raises(PlanRefused, match="it has: nvidia-driver-535-server, nvidia-driver-570"):
        plan_driver(upgrade.session, upgrade.machine, "nvidia-driver-999")
    with pytest.raises(PlanRefused, match="is 570.133.20, and the matrix needs 575.57.08"):
        plan_driver(upgrade.session, upgrade.machine, "nvidia-driver-570-server")


def test_a_driver_that_is_new_enough_stays(tmp_path: Path, store: DebStore) -> None:
    upgrade = Upgrade(tmp_path, store)
    upgrade.bench.apt("install", "nvidia-driver-580-server")
    upgrade.bench.boot()
    upgrade.kept(record_host(upgrade.session, upgrade.machine))
    found = upgrade.planned()
    assert found["1.plan"] == (
        Verdict.PASS,
        "nothing has to change: the driver 580.95.05 is at least 575.57.08",
    )
    assert found["1.rollback-plan"][0] is Verdict.PASS
    verified = upgrade.verified(runtime(tmp_path, torch_says(2)))
    assert {verdict for verdict, _ in verified.values()} == {Verdict.PASS}, verified


def test_all_fits_after_the_reboot(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.planned()
    upgrade.carried_out()
    found = upgrade.verified(runtime(tmp_path, f"a warning\n{torch_says(2)}\n"))
    assert tuple(found) == VALIDATION
    assert {verdict for verdict, _ in found.values()} == {Verdict.PASS}, found
    assert "nvidia-smi and the kernel module are 580.95.05" in found["1.validate.series"][1]
    assert upgrade.gate_1_holds()


def test_before_the_reboot_every_mismatch_is_named(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.planned()
    found = upgrade.verified(runtime(tmp_path, torch_says(2)))
    failing = {line for line, (verdict, _) in found.items() if verdict is Verdict.FAIL}
    assert failing == {"1.install", "1.reboot", "1.validate.series", "1.validate.cuda"}
    assert found["1.install"][1] == (
        "21 packages differ: libnvidia-compute-580-server is not installed; "
        "libnvidia-compute-580-server:i386 is not installed; libnvidia-gl-580-server is not "
        "installed; and 18 more"
    )
    assert "not rebooted" in found["1.reboot"][1]
    assert "shows driver 535.183.01, and 580.95.05 is expected" in found["1.validate.series"][1]
    assert "shows CUDA 12.2, and the matrix has 12.9" in found["1.validate.cuda"][1]


def test_a_reboot_before_the_window_is_none_after_the_change(upgrade: Upgrade) -> None:
    upgrade.planned()
    upgrade.bench.boot()
    done = upgrade.walk.run("--yes")
    assert done.ok, done.said
    verdict, why = upgrade.verified(None)["1.reboot"]
    assert (verdict, why) == (Verdict.FAIL, "the machine was not rebooted since the change")
    upgrade.bench.boot()
    assert upgrade.verified(None)["1.reboot"][0] is Verdict.PASS


def test_a_module_that_differs_from_the_libraries(upgrade: Upgrade, tmp_path: Path) -> None:
    upgrade.planned()
    upgrade.carried_out()
    pex = runtime(tmp_path, torch_says(2))
    libraries = upgrade.bench.root / "usr/lib/x86_64-linux-gnu/libnvidia-compute.version"
    libraries.write_text("580.126.09\n")
    upgrade.bench.boot()
    verdict, reason = upgrade.verified(pex)["1.validate.series"]
    assert verdict is Verdict.FAIL
    assert "the installed libraries are 580.126.09, and the kernel module is 580.95.05" in reason
    upgrade.bench.host.file(
        "/proc/driver/nvidia/version", host_texts.OPEN_580.replace("580.95.05", "580.126.09")
    )
    assert "the kernel module is 580.126.09" in upgrade.verified(pex)["1.validate.series"][1]


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        (torch_says(0), 0, "torch 2.9.0+cu128 (CUDA 12.8) sees no GPU"),
        (torch_says(1), 0, "torch computes on 1 GPUs, and there are 2"),
        (torch_says(2, 1.0), 0, "and each must be 999000.0"),
        ("RuntimeError: CUDA error: out of memory", 1, "CUDA error: out of memory"),
        ("no JSON", 0, "cannot be understood"),
        ("", 0, "cannot be understood"),
    ],
)
def test_a_torch_that_does_not_compute(
    upgrade: Upgrade, tmp_path: Path, said: str, code: int, reason: str
) -> None:
    upgrade.planned()
    upgrade.carried_out()
    verdict, found = upgrade.verified(runtime(tmp_path, said, code=code))["1.validate.torch"]
    assert verdict is Verdict.FAIL
    assert reason in found


def test_a_runtime_that_is_not_there_or_hangs(tmp_path: Path, store: DebStore) -> None:
    upgrade = Upgrade(tmp_path, store)
    upgrade.planned()
    upgrade.carried_out()
    verdict, reason = upgrade.verified(None)["1.validate.torch"]
    assert verdict is Verdict.NOT_CHECKABLE
    assert "--runtime PEX" in reason
    assert torch_check(tmp_path / "absent").problem is not None
    pex = runtime(tmp_path, "")
    (pex / "__main__.py").write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    hung = torch_check(pex, seconds=0.2).problem
    assert hung is not None
    assert "did not end within 0.2 s" in hung


def test_after_the_way_back(upgrade: Upgrade) -> None:
    upgrade.planned()
    upgrade.carried_out()
    upgrade.kept(verify_driver(upgrade.session, upgrade.machine, None))
    assert upgrade.states()["1.rolled-back.packages"] is State.NOT_NEEDED
    found = upgrade.kept(verify_rollback(upgrade.session, upgrade.machine))
    assert found["1.rolled-back.packages"][0] is Verdict.FAIL
    reason = found["1.rolled-back.packages"][1]
    assert "libnvidia-compute-535-server is not installed" in reason
    # Nothing was undone, so what was shown of the new driver is still so.
    assert upgrade.states()["1.install"] is State.DONE
    done = upgrade.walk.run_back("--yes")
    assert done.ok, done.said
    # The machine was started anew since the record, but not since the way back.
    back = upgrade.kept(verify_rollback(upgrade.session, upgrade.machine))
    assert {line: verdict for line, (verdict, _) in back.items()} == {
        "1.rolled-back.packages": Verdict.PASS,
        "1.rolled-back.reboot": Verdict.FAIL,
        "1.rolled-back.driver": Verdict.FAIL,
    }
    assert upgrade.states()["1.rolled-back"] is State.FAILING
    upgrade.bench.boot()
    back = upgrade.kept(verify_rollback(upgrade.session, upgrade.machine))
    assert {verdict for verdict, _ in back.values()} == {Verdict.PASS}, back
    states = upgrade.states()
    assert states["1.rolled-back"] is State.DONE
    assert {states["1.install"], states["1.reboot"], states["1.validate.series"]} == {State.STALE}
    # Until the driver is changed again.
    upgrade.planned_and_carried_out()
    upgrade.kept(verify_driver(upgrade.session, upgrade.machine, None))
    states = upgrade.states()
    assert states["1.install"] is State.DONE
    assert states["1.rolled-back"] is State.NOT_NEEDED


def test_without_a_gpu_verify_says_that_it_cannot_look(tmp_path: Path) -> None:
    session = make_workspace(tmp_path, 'matrix = "A"\n')
    found = verify_driver(session, Host(tmp_path / "host").machine, None).findings
    assert tuple(each.check for each in found) == VALIDATION
    assert {each.verdict for each in found} == {Verdict.NOT_CHECKABLE}


def test_companions_of_the_driver_come_along(tmp_path: Path, store: DebStore) -> None:
    host = ubuntu_host(tmp_path, store)
    host.offer(
        UBUNTU,
        (
            Deb("nvidia-fabricmanager-535", V535),
            Deb("nvidia-fabricmanager-580", V580),
        ),
    )
    host.apt("install", "nvidia-fabricmanager-535", "linux-modules-nvidia-535-server-generic")
    host.boot()
    facts, matrices = understand(take_snapshot(host.machine, now=utc_now())), load_matrices()
    package = choose_package(facts, matrices, matrices.matrices["A"], None)
    assert selection(facts, package) == {
        "nvidia-driver-580-server": V580,
        "nvidia-fabricmanager-580": V580,
        "linux-modules-nvidia-580-server-generic": "6.8.0-52.53+580",
    }
    other = driver_package("nvidia-driver-580-server", "580.126.09-0ubuntu1")
    assert other is not None
    with pytest.raises(PlanRefused, match="apt has no nvidia-fabricmanager-580 580.126.09"):
        selection(facts, other)


def past_window(upgrade: Upgrade) -> None:
    snapshot = take_snapshot(upgrade.machine, now=utc_now())
    explained = explain(upgrade.session, snapshot)
    past = parse_window("2026-01-16T22:00Z/2026-01-17T02:00Z")
    upgrade.kept(keep(upgrade.session, explained, matrix=None, window=past, owner=None))


def test_a_window_that_is_over_or_was_changed(upgrade: Upgrade) -> None:
    past_window(upgrade)
    ended = r"0\.window \(stale: window\.end was 2026-01-17T02:00:00\+00:00"
    with pytest.raises(RecordMissing, match=ended):
        plan_driver(upgrade.session, upgrade.machine, None)
    file = upgrade.session.workspace.context_file
    file.write_text(file.read_text().replace("2026-01-17", "2096-01-17"))
    with pytest.raises(RecordMissing, match=r"0\.window \(stale: setting:window changed"):
        plan_driver(upgrade.session, upgrade.machine, None)


def test_a_window_that_was_used_is_none_for_another_change(upgrade: Upgrade) -> None:
    upgrade.planned()
    upgrade.carried_out()
    upgrade.verified(None)
    past_window(upgrade)
    assert run(upgrade.base, "status", "--gate", "0").returncode == 0
    with pytest.raises(PlanRefused, match="the window ended 2026-01-17"):
        plan_driver(upgrade.session, upgrade.machine, "nvidia-driver-570-server")


def test_packages_that_came_along_are_compared_as_well(tmp_path: Path, store: DebStore) -> None:
    upgrade = Upgrade(tmp_path, store)
    offer_newer_libdrm(upgrade.bench)
    upgrade.kept(record_host(upgrade.session, upgrade.machine))
    upgrade.planned()
    upgrade.carried_out()
    assert upgrade.verified(None)["1.install"][0] is Verdict.PASS
    older = [str(store.file(deb)) for deb in drivers.base_packages() if deb.name == "libdrm2"]
    upgrade.bench.done("dpkg", "--force-all", "--install", *older)
    verdict, reason = upgrade.verified(None)["1.install"]
    assert verdict is Verdict.FAIL
    assert "libdrm2 is 2.4.113-2 and not 2.4.120-1" in reason
