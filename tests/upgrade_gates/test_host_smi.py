"""What `nvidia-smi` says: several drivers, several machines, and the ways in which it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upgrade_gates.host.output import decoded
from upgrade_gates.host.smi_failure import SmiFailure, find_failure
from upgrade_gates.host.smi_report import parse_smi_report
from upgrade_gates.host.smi_table import parse_smi_table
from upgrade_gates_testing import smi_reports, smi_tables

TABLES = {
    "470": (smi_tables.NARROW_470, "470.256.02", "11.4", 1),
    "535 MIG": (smi_tables.MIG_535, "535.183.01", "12.2", 2),
    "550 eight": (smi_tables.EIGHT_550, "550.90.07", "12.4", 8),
    "550 vGPU": (smi_tables.VGPU_550, "550.127.05", "12.4", 1),
    "570": (smi_tables.ONE_570, "570.133.20", "12.8", 1),
    "570 two rows": (smi_tables.TWO_ROWS_570, "570.211.01", "12.8", 1),
    "575": (smi_tables.ONE_575, "575.57.08", "12.9", 1),
    "580": (smi_tables.ONE_580, "580.95.05", "13.0", 1),
    "610": (smi_tables.RENAMED_610, "610.43.02", "13.3", 1),
}

FAILURES = {
    smi_tables.NO_DRIVER: SmiFailure.NO_DRIVER,
    smi_tables.MISMATCH: SmiFailure.MISMATCH,
    smi_tables.DENIED: SmiFailure.DENIED,
    smi_tables.UNKNOWN_ERROR: SmiFailure.OTHER,
    smi_tables.NO_DEVICES: SmiFailure.NO_DEVICES,
    smi_tables.LOST: SmiFailure.DEVICE_LOST,
    smi_tables.LOST_DETECT: SmiFailure.DEVICE_LOST,
    smi_tables.LOST_AND_NONE: SmiFailure.DEVICE_LOST,
    smi_tables.NO_LIBRARY: SmiFailure.NO_LIBRARY,
}


@pytest.mark.parametrize(("text", "driver", "cuda", "gpus"), TABLES.values(), ids=TABLES.keys())
def test_tables_of_many_drivers(text: str, driver: str, cuda: str, gpus: int) -> None:
    table = parse_smi_table(text)
    assert (table.driver, table.smi, table.cuda) == (driver, driver, cuda)
    assert [gpu.index for gpu in table.gpus] == list(range(gpus))
    assert all(gpu.total_mib for gpu in table.gpus)
    assert table.failure is None
    warnings = [line for line in table.unknown if not line.startswith("WARNING")]
    assert warnings == []


def test_a_jetson_has_a_gpu_on_no_bus() -> None:
    table = parse_smi_table(smi_tables.JETSON_540)
    (gpu,) = table.gpus
    assert (gpu.name, gpu.bus_id, gpu.total_mib, gpu.dead) == ("Orin (nvgpu)", None, None, False)
    assert (table.smi, table.driver, table.cuda) == ("540.3.0", None, "12.2")
    assert table.unknown == ()


def test_a_gpu_that_shares_the_processors_memory() -> None:
    table = parse_smi_table(smi_tables.UNIFIED_580)
    (gpu,) = table.gpus
    assert (gpu.name, gpu.total_mib, gpu.mig, gpu.dead) == ("NVIDIA GB10", None, "Disabled", False)
    assert table.unknown == ()


def test_windows_has_a_driver_model_in_place_of_persistence() -> None:
    table = parse_smi_table(smi_tables.WDDM_560)
    assert [(gpu.name, gpu.total_mib) for gpu in table.gpus] == [("NVIDIA L40S", 46068)]
    assert table.unknown == ()


def test_a_dead_gpu_is_a_gpu_that_is_dead() -> None:
    table = parse_smi_table(smi_tables.DEAD_550)
    assert [(gpu.index, gpu.dead, gpu.bus_id) for gpu in table.gpus] == [
        (0, False, "00000000:18:00.0"),
        (1, True, "00000000:29:00.0"),
    ]
    assert table.unknown == ()
    # One reading that fails, such as the power of a V100, is not the end of a GPU.
    power = smi_tables.ONE_570.replace("66W /", "ERR! /")
    assert [gpu.dead for gpu in parse_smi_table(power).gpus] == [False]


def test_a_lost_gpu_is_told_before_the_table_of_the_others() -> None:
    table = parse_smi_table(smi_tables.LOST_BESIDE)
    assert table.failure is SmiFailure.DEVICE_LOST
    assert len(table.gpus) == 1


def test_a_report_of_a_dead_gpu_and_of_mig_that_waits_for_a_reset() -> None:
    dead = smi_reports.gpu(1, name="Unknown Error").replace("GPU-0f6e1c9a", "Unknown Error<!--")
    dead = dead.replace("</uuid>", "--></uuid>")
    pending = smi_reports.gpu(0).replace(
        "<pending_mig>Disabled</pending_mig>", "<pending_mig>Enabled</pending_mig>"
    )
    report = parse_smi_report(smi_reports.report("550.90.07", "12.4", [pending, dead]))
    assert [gpu.dead for gpu in report.gpus] == [False, True]
    assert [gpu.mig_changes for gpu in report.gpus] == [True, False]


def test_rows_of_a_table() -> None:
    old = parse_smi_table(smi_tables.NARROW_470)
    (gpu,) = old.gpus
    assert (gpu.name, gpu.bus_id, gpu.used_mib, gpu.total_mib, gpu.mig) == (
        "Tesla T4",
        "00000000:00:1E.0",
        105,
        15109,
        None,
    )
    (process,) = old.processes
    assert (process.gpu, process.pid, process.kind, process.used_mib) == (0, 2301, "C", 103)
    assert [each.pid for each in parse_smi_table(smi_tables.EIGHT_550).processes] == list(
        range(412200, 412208)
    )


def test_mig_in_a_table() -> None:
    table = parse_smi_table(smi_tables.MIG_535)
    assert [gpu.mig for gpu in table.gpus] == ["Enabled", "Disabled*"]
    assert [(each.gpu, each.gpu_instance, each.total_mib) for each in table.mig_devices] == [
        (0, 3, 9856),
        (0, 4, 9856),
    ]
    assert [(each.pid, each.used_mib) for each in table.processes] == [(77012, 0)]


def test_what_is_not_understood_in_a_table_is_kept() -> None:
    table = parse_smi_table(smi_tables.TWO_ROWS_570)
    assert table.unknown == ("WARNING: infoROM is corrupted at gpu 0000:01:00.0",)
    assert [(each.kind, each.name, each.used_mib) for each in table.processes] == [
        ("G", "/usr/lib/xorg/Xorg", 4),
        ("C+G", "/opt/my app, really/bin/viewer", None),
    ]


def test_libraries_newer_than_the_driver_show_in_the_headline() -> None:
    table = parse_smi_table(smi_tables.wide("570.133.20", "12.8", smi="570.211.01"))
    assert (table.smi, table.driver) == ("570.211.01", "570.133.20")


@pytest.mark.parametrize("text", FAILURES)
def test_refusals(text: str) -> None:
    assert parse_smi_table(text).failure is FAILURES[text]
    assert parse_smi_report(text).failure is FAILURES[text]
    assert parse_smi_table(text).unknown == ()


@pytest.mark.parametrize(
    ("sentence", "failure"),
    [
        (
            "NVIDIA-SMI has failed because you do not have suffecient permissions. Please try "
            "running as an administrator.",
            SmiFailure.DENIED,
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with NVIDIA driver. This can "
            "also be happening if non-NVIDIA GPU is running as primary display, and NVIDIA GPU is "
            "in WDDM mode.",
            SmiFailure.NO_DRIVER,
        ),
        ("NVIDIA-SMI has failed for a reason of its own.", SmiFailure.OTHER),
        ("Impossible to initialize NVML: Driver Not Loaded", SmiFailure.NO_DRIVER),
        (
            "Failed to initialize NVML: RM has detected an NVML/RM version mismatch.",
            SmiFailure.MISMATCH,
        ),
        (
            "/usr/bin/nvidia-smi: error while loading shared libraries: libnvidia-ml.so.1: cannot "
            "open shared object file: No such file or directory",
            SmiFailure.NO_LIBRARY,
        ),
        (
            "Failed to initialize NVML: GPU access blocked by the operating system\n"
            "Failed to properly shut down NVML: GPU access blocked by the operating system",
            SmiFailure.OTHER,
        ),
        ("No devices found.", SmiFailure.NO_DEVICES),
        (
            "Unable to determine the device handle for GPU0: 0000:0A:00.0: GPU requires reset",
            SmiFailure.DEVICE_LOST,
        ),
    ],
)
def test_other_wordings_of_refusals(sentence: str, failure: SmiFailure) -> None:
    table = parse_smi_table(f"{sentence}\n")
    assert (table.failure, table.unknown) == (failure, ())
    assert parse_smi_report(sentence).failure is failure


def test_a_process_with_a_strange_name_is_no_refusal() -> None:
    row = (
        "|    0   N/A  N/A            2204      C   No devices were found, really"
        "            4MiB |\n"
    )
    table = parse_smi_table(smi_tables.wide("580.95.05", "13.0", processes=row))
    assert table.failure is None
    assert table.processes[0].name == "No devices were found, really"
    assert find_failure("my notes: No devices were found") is None


def test_reports_of_many_drivers() -> None:
    for text, driver, cuda in (
        (smi_reports.OLD_470, "470.256.02", "11.4"),
        (smi_reports.EIGHT_550, "550.90.07", "12.4"),
        (smi_reports.MIG_575, "575.57.08", "12.9"),
        (smi_reports.ONE_580, "580.95.05", "13.0"),
        (smi_reports.RENAMED_610, "610.43.02", "13.3"),
        (smi_reports.NO_GPUS, "570.133.20", "12.8"),
    ):
        report = parse_smi_report(text)
        assert (report.driver, report.cuda) == (driver, cuda)
        assert report.attached == len(report.gpus)
        assert report.unreadable is None


def test_gpus_of_a_report() -> None:
    report = parse_smi_report(smi_reports.EIGHT_550)
    assert len(report.gpus) == 8
    gpu = report.gpus[7]
    assert (gpu.name, gpu.architecture, gpu.total_mib, gpu.used_mib, gpu.mig) == (
        "NVIDIA H100 80GB HBM3",
        "Hopper",
        81559,
        75013,
        False,
    )
    assert gpu.processes is not None
    assert [(each.pid, each.used_mib) for each in gpu.processes] == [(412207, 75012)]


def test_mig_and_vgpu_in_a_report() -> None:
    (divided,) = parse_smi_report(smi_reports.MIG_575).gpus
    assert divided.mig is True
    assert [(each.gpu_instance, each.total_mib, each.used_mib) for each in divided.mig_devices] == [
        (1, 40192, 107),
        (5, 19968, 71),
    ]
    (virtual,) = parse_smi_report(smi_reports.VGPU_550).gpus
    assert (virtual.mig, virtual.mig_devices, virtual.virtualization) == (None, (), "VGPU")


def test_hidden_processes_are_not_none_at_all() -> None:
    (virtual,) = parse_smi_report(smi_reports.VGPU_550).gpus
    (denied,) = parse_smi_report(smi_reports.DENIED_PROCESSES).gpus
    assert virtual.processes is None
    assert denied.processes is None
    assert denied.used_mib is None
    (idle,) = parse_smi_report(smi_reports.OLD_470).gpus
    assert idle.processes == ()


def test_what_is_no_report_says_so() -> None:
    assert parse_smi_report("").unreadable is None
    assert parse_smi_report("nonsense").unreadable == "it holds no <nvidia_smi_log>"
    cut_off = parse_smi_report(smi_reports.ONE_580[:900])
    assert cut_off.unreadable is not None
    assert cut_off.gpus == ()
    warned = parse_smi_report(f"WARNING: old infoROM\n{smi_reports.ONE_580}and more")
    assert warned.driver == "580.95.05"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Tesla T4", True),
        ("NVIDIA A100-SXM4-40GB", True),
        ("NVIDIA A10G", True),
        ("NVIDIA L40S", True),
        ("NVIDIA H200", True),
        ("NVIDIA GH200 480GB", True),
        ("NVIDIA B200", True),
        ("NVIDIA GeForce RTX 4090", False),
        ("NVIDIA RTX A6000", False),
        ("NVIDIA T400 4GB", False),
    ],
)
def test_names_of_data_centre_gpus(name: str, expected: bool) -> None:
    (gpu,) = parse_smi_report(smi_reports.report("1.1", "1.1", [smi_reports.gpu(name=name)])).gpus
    assert gpu.data_centre is expected


PIECES = st.sampled_from(
    [line for text, *_ in TABLES.values() for line in text.splitlines()]
    + smi_reports.MIG_575.splitlines()
    + list(FAILURES)
)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80) | PIECES.map(str.encode), max_size=40).map(b"\n".join))
def test_any_bytes_are_understood_somehow(raw: bytes) -> None:
    parse_smi_table(decoded(raw))
    parse_smi_report(decoded(raw))


@settings(deadline=None)
@given(st.text())
def test_any_text_inside_a_report(text: str) -> None:
    parse_smi_report(f"<nvidia_smi_log>{text}</nvidia_smi_log>")
    parse_smi_report(smi_reports.ONE_580.replace("75012", text).replace("Hopper", text))


def test_long_lines_take_no_time() -> None:
    blank = " " * 300_000
    for text in (f"|{blank}1{blank}", f"|  0{blank}On |", f"|{'9' * 300_000}  C |"):
        table = parse_smi_table(f"{text}\n{text}")
        assert table.gpus == ()
