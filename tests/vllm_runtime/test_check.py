"""`check`: what is asked, what is found, and what the exit code says about it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cuda_drivers import driver_at_least, minimum_driver
from vllm_runtime import check_command, driver
from vllm_runtime.cli import main
from vllm_runtime.errors import LockUnreadable

FAKE_PROBE = str(Path(__file__).with_name("fake_probe.py"))
LOCKED = ["--expect", "torch=2.9.0", "--expect", "vllm=0.13.0"]


class Check:
    """Runs `check` on a probe that behaves in a certain way."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(
        self, behaviour: str, *arguments: str, driver: str | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Return the exit code and the report."""
        parser = argparse.ArgumentParser()
        check_command.add_to(parser.add_subparsers())
        code = check_command.run(
            parser.parse_args(["check", *arguments]),
            probe_command=(sys.executable, FAKE_PROBE, behaviour),
            driver=lambda: driver,
        )
        return code, json.loads(self._capsys.readouterr().out)


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    return Check(capsys)


def finding(report: dict[str, Any], check: str) -> tuple[bool | None, str]:
    """Return the verdict and the words on one check."""
    (found,) = (each for each in report["findings"] if each["check"] == check)
    return found["ok"], found["detail"]


def test_a_locked_environment_without_a_gpu_passes(check: Check) -> None:
    code, report = check("good", *LOCKED)
    assert code == 0
    assert report["ok"] is True
    assert (report["torch"], report["vllm"], report["python"]) == (
        "2.9.0+cu128",
        "0.13.0",
        "3.11.7",
    )
    assert report["cuda_variant"] == "12.8"
    assert report["minimum_driver"] == "570.26"
    assert report["driver"] is None
    assert finding(report, "torch_version")[0] is True
    # Not known or not asked here, and so neither good nor bad.
    assert finding(report, "cuda_available")[0] is None
    assert finding(report, "driver")[0] is None
    assert finding(report, "vllm_compiled")[0] is None


def test_cuda_fails_only_when_it_is_required(check: Check) -> None:
    code, report = check("good", "--require-cuda")
    assert code == 1
    assert finding(report, "cuda_available")[0] is False
    assert finding(report, "vllm_compiled")[0] is False
    code, report = check("gpu", "--require-cuda", driver="575.57.08")
    assert code == 0
    assert report["devices"] == ["NVIDIA L4"]
    assert finding(report, "driver") == (True, "575.57.08 is at least 570.26 (CUDA 12.8)")


def test_another_version_than_the_locked_one_fails(check: Check) -> None:
    code, report = check("good", "--expect", "vllm=0.14.1")
    assert code == 1
    assert finding(report, "vllm_version") == (
        False,
        "0.13.0; expected 0.14.1: build this environment from its lock again",
    )
    assert finding(report, "torch_version")[0] is None


def test_the_build_counts_when_it_is_named(check: Check) -> None:
    assert check("good", "--expect", "torch=2.9.0+cu128")[0] == 0
    assert check("good", "--expect", "torch=2.9.0+cu129")[0] == 1


def test_an_old_driver_fails_and_says_what_still_works(check: Check) -> None:
    code, report = check("gpu", driver="550.90.07")
    assert code == 1
    ok, detail = finding(report, "driver")
    assert ok is False
    assert "550.90.07 is older than 570.26" in detail
    assert "minor version compatibility" in detail
    assert "on data centre GPUs, NVIDIA's cuda-compat-12-8 carries it" in detail


def test_a_failed_import_is_a_finding_with_its_reason(check: Check) -> None:
    code, report = check("no vllm", *LOCKED)
    assert code == 1
    assert finding(report, "import_torch")[0] is True
    assert finding(report, "import_vllm") == (
        False,
        "ImportError: libcudart.so.12: cannot open shared object file",
    )
    assert finding(report, "vllm_version")[0] is False


def test_an_aborted_import_is_a_finding_too(check: Check) -> None:
    code, report = check("aborts")
    assert code == 1
    assert report["torch"] == "2.9.0+cu128"
    ok, detail = finding(report, "import_vllm")
    assert ok is False
    assert "signal 6" in detail
    assert "cublasLtCreate" in detail
    assert "during vllm" in detail


def test_a_hanging_import_is_ended(check: Check) -> None:
    code, report = check("hangs", "--timeout", "0.3")
    assert code == 1
    assert "did not finish within 0.3 s" in finding(report, "import_torch")[1]


def test_a_lock_gives_the_expected_versions(check: Check, tmp_path: Path) -> None:
    lock = tmp_path / "inference.lock"
    lock.write_text("# as-of: 2026-01-15\ntorch==2.9.0 \\\n    --hash=sha256:00\nvllm==0.13.0\n")
    code, report = check("good", "--lock", str(lock))
    assert code == 0
    assert report["expected"] == {"torch": "2.9.0", "vllm": "0.13.0"}
    assert check("good", "--lock", str(lock), "--expect", "vllm=0.32.0")[0] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), ("torch==2.9.0\n", "has no line `vllm==VERSION`")],
)
def test_a_lock_that_says_nothing_is_refused(
    check: Check, tmp_path: Path, content: str | None, message: str
) -> None:
    lock = tmp_path / "api.lock"
    if content is not None:
        lock.write_text(content)
    with pytest.raises(LockUnreadable, match=message):
        check("good", "--lock", str(lock))


@pytest.mark.parametrize("wrong", ["ray=2.53.0", "torch", "vllm="])
def test_an_expectation_of_another_form_is_refused(check: Check, wrong: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        check("good", "--expect", wrong)
    assert stopped.value.code == 2


def test_without_an_engine_the_real_probe_says_so(tmp_path: Path) -> None:
    """In this environment torch is not installed, which is a finding and not a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "vllm_runtime", "check", "--expect", "torch=2.9.0"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
    )
    assert done.returncode == 1
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert finding(report, "import_torch")[0] is False
    assert report["torch"] is None


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "check" in capsys.readouterr().out


def test_the_driver_is_read_from_nvidia_smi_or_the_kernel_module(tmp_path: Path) -> None:
    module = tmp_path / "version"
    module.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.133.20  Sun Mar 30\n")
    absent = (str(tmp_path / "nvidia-smi"),)
    broken = ("sh", "-c", "echo 'NVML: Driver/library version mismatch 590.1.1'; exit 18")
    assert driver.driver_version(("echo", "580.95.05"), module) == "580.95.05"
    assert driver.driver_version(absent, module) == "570.133.20"
    assert driver.driver_version(broken, module) == "570.133.20"
    assert driver.driver_version(absent, tmp_path / "none") is None


def test_driver_versions_are_compared_as_numbers() -> None:
    assert driver_at_least("575.57.08", "575.57.8")
    assert driver_at_least("570.133.20", "570.26")
    assert not driver_at_least("570.9", "570.26")
    assert minimum_driver("12.9") == "575.57.08"
    assert minimum_driver("13.0") == "580.65.06"
    assert minimum_driver("99.1") is None
