"""The matrices: what is computed for a host and a lock, and what is kept of the choice."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cuda_drivers import Compatibility, compatibility, minimum_driver
from upgrade_gates.context import read_context
from upgrade_gates.errors import ContextUnusable, OwnerUnusable, WindowUnusable
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.host.facts import HostFacts, understand
from upgrade_gates.host.snapshot import take_snapshot
from upgrade_gates.matrix.assessment import Assessment, Reach, assess, recommended
from upgrade_gates.matrix.choose_command import (
    explain,
    keep,
    matrix_name,
)
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates.matrix.owner import checked_owner
from upgrade_gates.matrix.wheels import LockedWheels, parse_wheels, read_wheels
from upgrade_gates.matrix.window import EXAMPLE, check_window, parse_window
from upgrade_gates_testing import host_texts, smi_reports
from upgrade_gates_testing.hosts import Host, driver, gpu_host
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import make_workspace

NOW = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
MATRICES = load_matrices()
LOCK = """\
# as-of: 2026-01-15
# python: 3.11
nvidia-cuda-nvrtc-cu12==12.8.93 \\
    --hash=sha256:00
nvidia-cuda-runtime-cu12==12.8.90 \\
    --hash=sha256:00
torch==2.9.0 \\
    --hash=sha256:00
vllm==0.13.0 \\
    --hash=sha256:00
"""
WHEELS = LockedWheels(torch="2.9.0", vllm="0.13.0", cuda="12.8", python="3.11")


def facts_of(host: Host) -> HostFacts:
    return understand(take_snapshot(host.machine, now=NOW))


def judged(host: Host, wheels: LockedWheels | None = WHEELS) -> dict[str, Assessment]:
    return {each.name: each for each in assess(MATRICES, facts_of(host), wheels, today=NOW.date())}


def test_the_data_agrees_with_the_table_of_drivers() -> None:
    a, b = MATRICES.matrices["A"], MATRICES.matrices["B"]
    assert (a.driver, a.cuda, a.series) == ("575.57.08", "12.9", 580)
    assert (b.driver, b.cuda, b.series) == ("570.26", "12.8", 570)
    for matrix in (a, b):
        assert matrix.driver == minimum_driver(matrix.cuda)
        assert (matrix.torch, matrix.vllm, matrix.pythons) == ("2.9.0", "0.13.0", ("3.11", "3.12"))
        assert compatibility(matrix.driver, "12.8") is Compatibility.FULL


def test_an_old_driver_needs_an_upgrade_that_apt_can_do(tmp_path: Path) -> None:
    found = judged(gpu_host(tmp_path))
    assert {each.reach for each in found.values()} == {Reach.AFTER_UPGRADE}
    a, b = found["A"].candidate, found["B"].candidate
    assert a is not None
    assert b is not None
    # Like the present one: the server's branch, and the proprietary kernel modules.
    assert (a.name, a.driver) == ("nvidia-driver-580-server", "580.95.05")
    assert (b.name, b.driver) == ("nvidia-driver-570-server", "570.133.20")
    words = " ".join(found["A"].reasons)
    assert "535.183.01 is older than 575.57.08" in words
    assert "minor version compatibility" in words
    assert "NVIDIA's cuda-compat-12-8 carries them on these data centre GPUs" in words
    best = recommended(tuple(found.values()), MATRICES, today=NOW.date())
    assert best is not None
    assert best[0].name == "A"
    assert "2028-06-30" in best[1]


def test_a_new_driver_holds_now(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    driver(host, "570.133.20", "12.8", host_texts.OPEN_580.replace("580.95.05", "570.133.20"))
    found = judged(host)
    assert (found["A"].reach, found["B"].reach) == (Reach.AFTER_UPGRADE, Reach.NOW)
    candidate = found["A"].candidate
    assert candidate is not None
    assert candidate.name == "nvidia-driver-580-server-open"  # as the loaded module is


def test_the_lock_must_fit_the_matrix(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    newer = LockedWheels(torch="2.13.0", vllm="0.32.0", cuda="13.0", python="3.11")
    found = judged(host, newer)
    assert {each.reach for each in found.values()} == {Reach.NO}
    words = " ".join(found["A"].reasons)
    assert "pins torch 2.13.0" in words
    assert "pins vllm 0.32.0" in words
    assert "built with CUDA 13.0" in words
    only_b = judged(host, LockedWheels("2.9.0", "0.13.0", "12.9", "3.11"))
    assert (only_b["A"].reach, only_b["B"].reach) == (Reach.AFTER_UPGRADE, Reach.NO)
    assert judged(host, LockedWheels("2.9.0", "0.13.0", "12.8", "3.13"))["A"].reach is Reach.NO
    assert judged(host, None)["A"].reach is Reach.AFTER_UPGRADE


def test_gpus_that_are_too_old_or_ask_for_open_modules(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    for architecture, reach, name in (
        ("Pascal", Reach.NO, None),
        ("Volta", Reach.AFTER_UPGRADE, "nvidia-driver-580-server"),
        ("Blackwell", Reach.AFTER_UPGRADE, "nvidia-driver-580-server-open"),
    ):
        report = smi_reports.report(
            "535.183.01", "12.2", [smi_reports.gpu(architecture=architecture)]
        )
        host.tool("nvidia-smi", {"-q -x": report, "*": ""})
        found = judged(host)["A"]
        assert found.reach is reach
        assert (found.candidate.name if found.candidate else None) == name


def test_the_driver_of_a_virtual_gpu_is_not_ours_to_choose(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.tool("nvidia-smi", {"-q -x": smi_reports.VGPU_550, "*": ""})
    found = judged(host)["A"]
    assert found.reach is Reach.NO
    assert "NVIDIA L40S-12Q is a virtual GPU" in found.reasons[0]


def test_what_cannot_be_had_and_what_cannot_be_known(tmp_path: Path) -> None:
    assert judged(Host(tmp_path / "none"))["A"].reach is Reach.UNKNOWN
    host = gpu_host(tmp_path / "gpu")
    host.tool("apt-cache", {"pkgnames": "bash\n", "*": ""})
    found = judged(host)["A"]
    assert found.reach is Reach.NO
    assert "apt-get update" in found.reasons[0]
    host.file("/etc/os-release", host_texts.OS_ROCKY)
    assert "Rocky Linux has no apt" in judged(host)["A"].reasons[0]
    assert recommended((found,), MATRICES, today=NOW.date()) is None


def test_no_driver_yet_and_data_centre_gpus_on_a_very_old_one(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    driver(
        host, "470.256.02", "11.4", host_texts.PROPRIETARY_535.replace("535.183.01", "470.256.02")
    )
    words = " ".join(judged(host)["B"].reasons)
    assert "470.256.02 they do not start; NVIDIA's cuda-compat-12-8 carries them" in words
    (host.tools / "nvidia-smi").unlink()
    (host.root / "proc/driver/nvidia/version").unlink()
    found = judged(host)["A"]
    assert (found.reach, found.reasons[0][:22]) == (Reach.AFTER_UPGRADE, "there are 8 NVIDIA GPU")


def test_forward_compatibility_is_for_some_drivers_and_for_data_centres(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    driver(
        host, "525.147.05", "12.0", host_texts.PROPRIETARY_535.replace("535.183.01", "525.147.05")
    )
    assert "no package of forward compatibility for CUDA 12.8 is known to help on it" in " ".join(
        judged(host)["A"].reasons
    )


def test_wheels_of_locks() -> None:
    assert parse_wheels(LOCK) == WHEELS
    edge = parse_wheels("nvidia-cuda-runtime==13.0.96 \\\ntorch==2.13.0 \\\n")
    assert (edge.torch, edge.cuda) == ("2.13.0", "13.0")
    assert parse_wheels("torch==2.9.0+cu129 \\\n").cuda == "12.9"
    assert parse_wheels("httpx==0.28.1\n") == LockedWheels(None, None, None, None)


@given(st.text())
def test_any_text_is_a_lock_of_something(text: str) -> None:
    parse_wheels(text)


def test_windows() -> None:
    window = parse_window(EXAMPLE)
    check_window(window, now=NOW, minutes=60)
    berlin = parse_window("2027-01-16T22:00/2027-01-17T02:00", zone="Europe/Berlin")
    assert (berlin.start, berlin.end) == (window.start, window.end)
    # One that has begun will do, for as long as enough of it is left.
    check_window(parse_window("2026-11-24T11:00Z/2026-11-24T13:00Z"), now=NOW, minutes=60)


@pytest.mark.parametrize(
    ("text", "zone", "reason"),
    [
        ("2027-01-16T22:00Z", None, "write START/END"),
        ("tomorrow/2027-01-17T02:00Z", None, "no time of ISO 8601"),
        ("2027-01-16T22:00/2027-01-17T02:00", None, "has no zone"),
        ("2027-01-16T22:00/2027-01-17T02:00", "Mars/Olympus", "no such time zone"),
        ("2027-01-16T22:00/2027-01-17T02:00", "../../etc/passwd", "no such time zone"),
        ("2027-01-17T02:00Z/2027-01-16T22:00Z", None, "ends before it begins"),
        ("2026-11-23T22:00Z/2026-11-24T11:59Z", None, "which is past .now it is .*T12:00:00"),
        ("2026-11-24T11:00Z/2026-11-24T12:59Z", None, "has 59 minutes left .now it is"),
        ("2027-01-16T22:00Z/2027-01-16T22:30Z", None, "has 30 minutes"),
    ],
)
def test_windows_that_will_not_do(text: str, zone: str | None, reason: str) -> None:
    with pytest.raises(WindowUnusable, match=reason):
        check_window(parse_window(text, zone=zone), now=NOW, minutes=60)


@pytest.mark.parametrize(
    "name",
    [
        "Ada  Lovelace",
        "J. Doe",
        "李 明",
        "王小明",
        "Suharto <suharto@example.org>",
        "Jean-Luc O'Neil",
    ],
)
def test_an_owner_is_a_person(name: str) -> None:
    assert checked_owner(f"  {name} ") == " ".join(name.split())


@pytest.mark.parametrize(
    "name",
    [
        *("", "  ", "root", "Ubuntu", "42", "?", "xx", "xx yy", "Ada", "A B", "ada@example.org"),
        *("ops team", "the GPU team lead", "TBD TBD", "on-call engineer"),
    ],
)
def test_no_owner_is_an_account_a_team_or_one_word(name: str) -> None:
    with pytest.raises(OwnerUnusable, match="by first and last name"):
        checked_owner(name)


def test_matrices_by_name() -> None:
    assert matrix_name(" a") == "A"
    with pytest.raises(ContextUnusable, match="matrices A and B"):
        matrix_name("C")


def test_a_choice_is_kept_and_goes_stale_with_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "inference.lock"
    lock.write_text(LOCK, encoding="utf-8")
    assert read_wheels(lock) == WHEELS
    session = make_workspace(tmp_path, '[artefacts]\nruntime_lock = "inference.lock"\n')
    explained = explain(session, take_snapshot(gpu_host(tmp_path).machine, now=NOW))
    assert "Recommended: matrix A" in explained.words[-1]
    kept = keep(session, explained, matrix="A", window=parse_window(EXAMPLE), owner="Ada Lovelace")
    assert [(each.check, each.verdict) for each in kept.findings] == [
        ("0.matrix", Verdict.PASS),
        ("0.window", Verdict.PASS),
        ("0.owner", Verdict.PASS),
    ]
    assert kept.findings[0].figures["candidate"] == "580.95.05-0ubuntu0.22.04.1"
    assert "minor version compatibility" in kept.findings[0].output
    context = read_context(session.workspace.context_file)
    assert (context.matrix, context.owner) == ("A", "Ada Lovelace")
    assert context.window == parse_window(EXAMPLE)
    session.store.append(kept.findings, command=["x"])
    assert run(tmp_path, "status", "--gate", "0").stdout.count(" done ") == 3
    lock.write_text("torch==2.9.1\n")
    assert "runtime_lock changed" in run(tmp_path, "status", "--gate", "0").stdout


def test_the_command_without_a_gpu_tells_and_chooses_nothing(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    told = run(tmp_path, "choose-matrix")
    assert told.returncode == 1
    assert "Matrix A" in told.stdout
    assert "Nothing was chosen" in told.stdout
    refused = run(tmp_path, "choose-matrix", "--owner", "root")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "name the person" in refused.stderr
    chosen = run(tmp_path, "choose-matrix", "--owner", "Ada Lovelace")
    assert chosen.returncode == 0, chosen.stdout + chosen.stderr
