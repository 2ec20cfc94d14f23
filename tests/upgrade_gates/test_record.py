"""`record`: what is kept of a GPU host, and what is said where something is missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.evidence.store import Finding
from upgrade_gates.host.facts import understand
from upgrade_gates.host.output import Output, Trouble
from upgrade_gates.host.record import record
from upgrade_gates.host.record_command import record_host
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates.host.snapshot import Snapshot, take_snapshot
from upgrade_gates.matrix.assessment import assess
from upgrade_gates.matrix.matrices import load_matrices
from upgrade_gates.session import utc_now
from upgrade_gates_testing import host_texts, smi_reports, smi_tables
from upgrade_gates_testing.hosts import BOOT_ID, KERNEL, MACHINE_ID, OLD, Host, driver, gpu_host
from upgrade_gates_testing.process import run
from upgrade_gates_testing.workspaces import make_workspace

LINES = (
    "0.facts.nvidia-smi",
    "0.facts.kernel-module",
    "0.facts.kernel",
    "0.facts.secure-boot",
    "0.facts.dkms",
    "0.facts.processes",
    "0.facts.packages",
    "0.facts.snapshot",
)


def recorded(host: Host, folder: Path) -> dict[str, Finding]:
    """Record a host, and return the findings by line."""
    found = record_host(make_workspace(folder), host.machine).findings
    assert tuple(each.check for each in found) == LINES
    return {each.check: each for each in found}


def test_a_gpu_host_is_recorded_whole(tmp_path: Path) -> None:
    found = recorded(gpu_host(tmp_path), tmp_path)
    assert {each.verdict for each in found.values()} == {Verdict.PASS}
    assert found["0.facts.nvidia-smi"].reason == (
        "driver 535.183.01, CUDA 12.2, 8 x NVIDIA H100 80GB HBM3"
    )
    assert "Driver Version: 535.183.01" in found["0.facts.nvidia-smi"].output
    assert "<driver_version>" in found["0.facts.nvidia-smi"].output
    assert host_texts.PROPRIETARY_535.strip() in found["0.facts.kernel-module"].output
    assert found["0.facts.kernel"].reason == f"kernel {KERNEL}"
    assert found["0.facts.secure-boot"].reason == SecureBoot.ENABLED
    assert f"535.183.01 installed for {KERNEL}" in found["0.facts.dkms"].reason
    assert found["0.facts.processes"].reason == (
        "VLLM::EngineCore (pid 4242) of vllm, vllm-stable.service, 75012 MiB"
    )
    assert f"nvidia-dkms-535-server\tamd64\t{OLD}" in found["0.facts.packages"].output
    assert "on hold: nvidia-driver-535-server" in found["0.facts.packages"].reason


def test_the_snapshot_means_the_same_when_it_is_read_again(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    found = recorded(host, tmp_path)
    snapshot = Snapshot.model_validate_json(found["0.facts.snapshot"].output)
    facts = understand(snapshot)
    assert (facts.driver, facts.boot_id) == ("535.183.01", BOOT_ID)
    assert snapshot.host == "gpu1"
    assert len(facts.driver_packages) == 4
    # machine-id(5): the id itself is confidential.
    assert MACHINE_ID not in found["0.facts.snapshot"].output
    assert snapshot.machine is not None


def test_a_machine_without_a_gpu_says_what_could_not_be_recorded(tmp_path: Path) -> None:
    found = recorded(Host(tmp_path), tmp_path)
    verdicts = {line: found[line].verdict for line in LINES}
    assert verdicts.pop("0.facts.kernel") is Verdict.PASS
    assert verdicts.pop("0.facts.secure-boot") is Verdict.NOT_CHECKABLE
    assert set(verdicts.values()) == {Verdict.NOT_CHECKABLE}
    assert "nvidia-smi: missing" in found["0.facts.nvidia-smi"].reason
    assert "run this on the GPU host" in found["0.facts.kernel-module"].reason
    for line in ("0.facts.nvidia-smi", "0.facts.dkms", "0.facts.packages"):
        assert line in found["0.facts.snapshot"].reason


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (smi_tables.MISMATCH, "reboot, then record again"),
        (smi_tables.DENIED, "run this as root"),
        (smi_tables.NO_DRIVER, "mend the present driver first"),
        (smi_tables.LOST, "dmesg"),
        ("something else", "exit code 9 (something else)"),
    ],
)
def test_a_broken_driver_is_no_state_to_go_back_to(tmp_path: Path, text: str, advice: str) -> None:
    host = gpu_host(tmp_path)
    host.tool("nvidia-smi", {"*": text}, code=9)
    found = recorded(host, tmp_path)
    assert found["0.facts.nvidia-smi"].verdict is Verdict.FAIL
    assert advice in found["0.facts.nvidia-smi"].reason
    assert found["0.facts.snapshot"].verdict is Verdict.FAIL


def test_what_is_odd_about_a_good_answer_is_told(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.tool(
        "nvidia-smi",
        {
            "": smi_tables.TWO_ROWS_570,
            "-q -x": smi_reports.report("570.211.01", "12.8", [smi_reports.gpu()], attached=2),
            "*": "",
        },
    )
    found = recorded(host, tmp_path)["0.facts.nvidia-smi"]
    assert found.verdict is Verdict.FAIL
    assert "8 NVIDIA GPUs are on the bus, and the driver does not report 0000:29:00.0" in (
        found.reason
    )
    assert "WARNING: infoROM is corrupted" in found.reason


def fact_of_smi(folder: Path, table: str, gpus: list[str]) -> Finding:
    """Record a host whose nvidia-smi says this, and return the finding."""
    host = gpu_host(folder)
    for bus in sorted((host.root / "sys/bus/pci/devices").iterdir())[len(gpus) :]:
        shutil.rmtree(bus)
    report = smi_reports.report("550.90.07", "12.4", gpus)
    host.tool("nvidia-smi", {"": table, "-q -x": report, "*": ""})
    return recorded(host, folder)["0.facts.nvidia-smi"]


def no_rows(table: str) -> str:
    """Return a table without the rows of its GPUs."""
    return "".join(line for line in table.splitlines(keepends=True) if "NVIDIA-SMI" in line)


def test_a_gpu_that_is_lost_dead_or_changes_its_mode_is_no_state_to_go_back_to(
    tmp_path: Path,
) -> None:
    one = [smi_reports.gpu()]
    pending = one[0].replace("<pending_mig>Disabled", "<pending_mig>Enabled")
    for number, (table, gpus, words) in enumerate(
        (
            (smi_tables.LOST + smi_tables.wide("550.90.07", "12.4"), one, "does not answer any mo"),
            (smi_tables.DEAD_550, [*one, smi_reports.gpu(1)], "GPU 1 cannot be read any more"),
            (smi_tables.wide("550.90.07", "12.4"), [pending], "changes with the next reset"),
            (no_rows(smi_tables.wide("550.90.07", "12.4")), [], "no GPU can be read from it"),
        )
    ):
        found = fact_of_smi(tmp_path / str(number), table, gpus)
        assert found.verdict is Verdict.FAIL
        assert words in found.reason
    good = fact_of_smi(tmp_path / "good", smi_tables.wide("550.90.07", "12.4"), one)
    assert good.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("nvidia/535.183.01: added", "none is installed for the running kernel"),
        (f"nvidia/535.183.01, {KERNEL}, x86_64: broken", "nvidia 535.183.01 broken for"),
        (f"nvidia/535.183.01, {KERNEL}, x86_64: built", "none is installed"),
        ("nvidia/535.183.01, 6.5.0-41-generic, x86_64: installed", "none is installed"),
        (f"nvidia/550.90.07, {KERNEL}, x86_64: installed", "as driver 535.183.01"),
    ],
)
def test_dkms_must_have_installed_the_module_that_runs(
    tmp_path: Path, status: str, words: str
) -> None:
    host = gpu_host(tmp_path)
    host.tool("dkms", {"status": f"{status}\n"})
    found = recorded(host, tmp_path)["0.facts.dkms"]
    assert found.verdict is Verdict.FAIL
    assert words in found.reason


def test_a_driver_of_nvidias_installer_is_recorded_and_an_unknown_origin_is_not(
    tmp_path: Path,
) -> None:
    host = gpu_host(tmp_path)
    host.tool("dpkg-query", {"*": ""}, code=1)
    host.tool("dkms", {"status": ""})
    found = recorded(host, tmp_path)["0.facts.packages"]
    assert found.verdict is Verdict.FAIL
    assert "no package brought driver 535.183.01" in found.reason
    host.file("/usr/bin/nvidia-uninstall", "")
    found_all = recorded(host, tmp_path)
    assert {each.verdict for each in found_all.values()} == {Verdict.PASS}
    assert "came from NVIDIA's installer" in found_all["0.facts.packages"].reason
    assert "built by NVIDIA's installer" in found_all["0.facts.dkms"].reason


def test_packages_of_another_driver_than_the_one_that_runs(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    driver(host, "550.90.07", "12.4", host_texts.PROPRIETARY_535.replace("535.183.01", "550.90.07"))
    found = recorded(host, tmp_path)["0.facts.packages"]
    assert found.verdict is Verdict.FAIL
    assert "driver 550.90.07 runs, and is not of these packages" in found.reason


def test_a_kernel_that_contradicts_uname_is_no_kernel_to_record(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    host.file("/proc/sys/kernel/osrelease", f"{KERNEL}\n")
    assert recorded(host, tmp_path)["0.facts.kernel"].verdict is Verdict.PASS
    host.tool("uname", {"-r": "2.6.68-52-generic\n", "-n": "gpu1\n"})
    found = recorded(host, tmp_path)["0.facts.kernel"]
    assert found.verdict is Verdict.FAIL
    assert f"uname says 2.6.68-52-generic, and the kernel itself {KERNEL}" in found.reason


def test_wsl_and_jetson_are_told_what_they_are_and_what_to_do_instead(tmp_path: Path) -> None:
    wsl = Host(tmp_path / "wsl")
    wsl.tool("uname", {"-r": "5.15.153.1-microsoft-standard-WSL2\n", "-n": "desk\n"})
    table = smi_tables.wide("581.80", "13.0", smi="580.102.01")
    report = smi_reports.report("581.80", "13.0", [smi_reports.gpu()])
    wsl.tool("nvidia-smi", {"": table, "-q -x": report, "*": ""})
    found = recorded(wsl, tmp_path / "wsl")
    assert found["0.facts.nvidia-smi"].verdict is Verdict.PASS
    for line in ("0.facts.kernel-module", "0.facts.packages"):
        assert "the driver is the one of Windows" in found[line].reason
    jetson = Host(tmp_path / "jetson")
    jetson.file("/etc/nv_tegra_release", host_texts.TEGRA_RELEASE)
    jetson.tool("nvidia-smi", {"": smi_tables.JETSON_540, "*": ""})
    found = recorded(jetson, tmp_path / "jetson")
    for line in ("0.facts.nvidia-smi", "0.facts.kernel-module", "0.facts.packages"):
        assert found[line].verdict is Verdict.FAIL
        assert "its driver is part of JetPack" in found[line].reason
    facts = understand(take_snapshot(jetson.machine, now=utc_now()))
    for each in assess(load_matrices(), facts, None, today=utc_now().date()):
        assert each.candidate is None
        assert "this is a Jetson" in each.reasons[0]


def test_a_container_is_not_the_host(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    (host.root / "proc/driver/nvidia/version").unlink()
    shutil.rmtree(host.root / "sys")
    found = recorded(host, tmp_path)
    assert found["0.facts.nvidia-smi"].verdict is Verdict.PASS
    assert found["0.facts.kernel-module"].verdict is Verdict.FAIL
    assert "run this on the host itself" in found["0.facts.kernel-module"].reason


def test_libraries_that_wait_for_a_reboot(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    driver(host, "535.183.01", "12.2", host_texts.PROPRIETARY_535, smi="535.288.01")
    found = recorded(host, tmp_path)["0.facts.nvidia-smi"]
    assert found.verdict is Verdict.FAIL
    assert "libraries 535.288.01: a newer driver waits for its reboot" in found.reason


def test_gpus_without_any_driver_are_a_state_to_go_back_to(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    (host.tools / "nvidia-smi").unlink()
    (host.tools / "dkms").unlink()
    (host.root / "proc/driver/nvidia/version").unlink()
    host.tool("dpkg-query", {"*": f"ii \tlinux-image-{KERNEL}\tamd64\t6.8.0-52.53\n"}, code=1)
    found = recorded(host, tmp_path)
    assert {each.verdict for each in found.values()} == {Verdict.PASS}
    assert "8 NVIDIA GPUs and no driver" in found["0.facts.nvidia-smi"].reason


def test_missing_headers_missing_packages_and_hidden_owners(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    (host.root / "lib/modules" / KERNEL / "build").rmdir()
    host.tool("dpkg-query", {"*": ""}, code=1)
    (host.root / "proc/4242/status").unlink()
    found = recorded(host, tmp_path)
    failing = {line for line in LINES if found[line].verdict is Verdict.FAIL}
    assert failing == {
        "0.facts.dkms",
        "0.facts.packages",
        "0.facts.processes",
        "0.facts.snapshot",
    }
    assert f"install linux-headers-{KERNEL}" in found["0.facts.dkms"].reason
    assert "no package brought driver 535.183.01" in found["0.facts.packages"].reason
    assert "4242" in found["0.facts.processes"].reason


WORDS = st.text(max_size=200) | st.sampled_from(
    [
        each
        for module in (host_texts, smi_tables, smi_reports)
        for each in vars(module).values()
        if isinstance(each, str)
    ]
)
OUTPUT = st.builds(
    Output,
    source=st.just(""),
    text=WORDS,
    errors=WORDS,
    exit_code=st.none() | st.integers(-9, 255),
    trouble=st.none() | st.sampled_from(Trouble),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """What a GPU host says."""
    return take_snapshot(gpu_host(tmp_path_factory.mktemp("host")).machine, now=utc_now())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_is_said_a_record_and_an_assessment_come_of_it(
    whole: Snapshot, data: st.DataObject
) -> None:
    outputs = [
        (
            data.draw(OUTPUT).model_copy(update={"source": each.source})
            if data.draw(st.booleans())
            else each
        )
        for each in whole.outputs
    ]
    snapshot = whole.model_copy(update={"outputs": tuple(outputs)})
    facts, matrices = understand(snapshot), load_matrices()
    lines = record(snapshot, facts)
    assert tuple(each.line for each in lines) == LINES
    gaps = [each.line for each in lines[:-1] if each.verdict is not Verdict.PASS]
    assert (lines[-1].verdict is Verdict.PASS) == (not gaps)
    assert len(assess(matrices, facts, None, today=utc_now().date())) == 2


def test_a_tool_that_hangs_is_left_alone(tmp_path: Path) -> None:
    host = gpu_host(tmp_path)
    place = host.tools / "nvidia-smi"
    place.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    output = type(host.machine)(root=host.root, path=str(host.tools), seconds=0.2).run("nvidia-smi")
    assert output.trouble is Trouble.TIMED_OUT
    assert output.outcome == "nvidia-smi: timed out"


def test_files_and_tools_that_may_not_be_used(tmp_path: Path) -> None:
    host = Host(tmp_path)
    (host.tools / "dkms").write_text("#!/bin/sh\n")  # not executable
    assert host.machine.run("dkms", "status").trouble is Trouble.DENIED
    assert host.machine.read("/proc").trouble is Trouble.UNREADABLE
    assert host.machine.read("/proc/sys/kernel/random/boot_id/x").trouble is Trouble.MISSING


def test_tools_are_asked_in_no_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("LANG", "de_DE.UTF-8"), ("LANGUAGE", "de"), ("LC_ALL", "de_DE.UTF-8")):
        monkeypatch.setenv(name, value)
    host = Host(tmp_path)
    (host.tools / "say").write_text('#!/bin/sh\necho "[$LC_ALL] [$LANGUAGE] [$LANG]"\n')
    (host.tools / "say").chmod(0o755)
    assert host.machine.run("say").text == "[C] [] []\n"


def test_the_command_on_this_machine(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    done = run(tmp_path, "record", "--json")
    records = json.loads(done.stdout)
    assert tuple(each["predicate"]["check"] for each in records) == LINES
    held = all(each["predicate"]["verdict"] == "pass" for each in records)
    assert done.returncode == (0 if held else 1)
    kernel = next(each for each in records if each["predicate"]["check"] == "0.facts.kernel")
    assert kernel["predicate"]["reason"].startswith(
        f"kernel {kernel['predicate']['host']['release']}"
    )
    assert utc_now().isoformat()[:10] in records[-1]["predicate"]["finished_at"]
