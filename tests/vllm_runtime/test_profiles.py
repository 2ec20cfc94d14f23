"""Profiles, and the command line that they become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vllm_runtime.engine_command import Engine, engine_for
from vllm_runtime.errors import ArgumentRefused, ModelMissing, ProfileInvalid
from vllm_runtime.profiles import Profile, load_profile

SMALL = """
[profiles.small]
model = "org/small"
dtype = "bfloat16"
gpu_memory_utilization = 0.85
max_model_len = 8192
tensor_parallel_size = 2
extra_args = ["--enforce-eager"]
env = { VLLM_LOGGING_LEVEL = "WARNING" }

[profiles.bare]
"""


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    file = tmp_path / "profiles.toml"
    file.write_text(SMALL)
    return file


def engine(model: str | None, profile: Profile, *extra: str, **changes: Any) -> Engine:
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 8001,
        "closed_file": Path("closed"),
        "serve": ("python", "serve"),
        "inherited": {"PATH": "bin", "VLLM_LOGGING_LEVEL": "INFO"},
    }
    return engine_for(model, profile, extra, **{**options, **changes})


def test_a_profile_becomes_arguments_and_environment(profiles: Path) -> None:
    made = engine(None, load_profile(profiles, "small"), "--max-num-seqs", "4")
    assert made.command == (
        *("python", "serve", "org/small", "--dtype", "bfloat16"),
        *("--gpu-memory-utilization", "0.85", "--max-model-len", "8192"),
        *("--tensor-parallel-size", "2", "--enforce-eager", "--max-num-seqs", "4"),
        *("--enable-server-load-tracking", "--middleware", "vllm_runtime.drain_gate.DrainGate"),
        *("--host", "127.0.0.1", "--port", "8001"),
    )
    assert made.environment == {
        "PATH": "bin",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
        "VLLM_RUNTIME_CLOSED_FILE": "closed",
    }


def test_the_command_lines_model_goes_before_the_profiles(profiles: Path) -> None:
    assert engine("org/other", load_profile(profiles, "small")).model == "org/other"


def test_what_is_left_out_is_left_to_vllm(profiles: Path) -> None:
    made = engine("org/other", load_profile(profiles, "bare"))
    assert made.command[3] == "--enable-server-load-tracking"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[profiles.small]\nmax_model_length = 5\n", r"profiles\.small\.max_model_length"),
        ("[profile.small]\n", "profile"),
        ("[profiles.small]\ngpu_memory_utilization = 1.5\n", r"less than or equal to 1"),
        ('[profiles.small]\nmax_model_len = "8192"\n', "valid integer"),
        ("[profiles.small\n", "is not TOML"),
        ("[profiles.large]\n", "has no profile 'small'; it has: large"),
    ],
)
def test_a_wrong_profile_is_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(content)
    with pytest.raises(ProfileInvalid, match=message):
        load_profile(file, "small")


def test_profiles_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid, match="cannot be read: No such file"):
        load_profile(tmp_path / "none.toml", "small")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--api-key=sk-1", "set VLLM_API_KEY instead"),
        ("--api_key", "set VLLM_API_KEY instead"),
        ("--port", "watches the engine there"),
        ("--config", "use a profile"),
        ("--disable-log-stats", "statistics"),
    ],
)
def test_arguments_that_would_blind_us_or_show_a_secret(argument: str, message: str) -> None:
    with pytest.raises(ArgumentRefused, match=message) as refused:
        engine("org/small", Profile(), argument)
    assert "sk-1" not in str(refused.value)
    with pytest.raises(ArgumentRefused, match=message):
        engine("org/small", Profile(extra_args=[argument]))


def test_a_secret_has_no_place_in_a_profile() -> None:
    with pytest.raises(ArgumentRefused, match="VLLM_API_KEY"):
        engine("org/small", Profile(env={"VLLM_API_KEY": "sk-1"}))


def test_a_model_has_to_be_named_and_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ProfileInvalid, match="no model is named"):
        engine(None, Profile())
    with pytest.raises(ModelMissing, match="there is no model at"):
        engine(str(tmp_path / "nope"), Profile())
    assert engine(str(tmp_path), Profile()).model == str(tmp_path)


def test_the_configurations_hash_is_of_what_matters() -> None:
    base = engine("org/small", Profile(dtype="float32")).config_sha256
    elsewhere = engine(
        "org/small", Profile(dtype="float32"), port=9, inherited={"VLLM_API_KEY": "x"}
    )
    assert elsewhere.config_sha256 == base
    assert engine("org/small", Profile(dtype="float16")).config_sha256 != base
    assert engine("org/small", Profile(dtype="float32"), "--seed", "1").config_sha256 != base
    assert engine("org/small", Profile(dtype="float32", env={"A": "1"})).config_sha256 != base


def test_an_engine_on_every_address_is_watched_on_loopback() -> None:
    assert engine("org/small", Profile(), host="0.0.0.0").local_host == "127.0.0.1"
    assert engine("org/small", Profile(), host="::").local_host == "::1"
    assert "VLLM" not in repr(engine("org/small", Profile()))
