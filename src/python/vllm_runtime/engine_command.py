"""What is started: vLLM's command line and environment, and the addresses it serves."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vllm_runtime.drain_gate import CLOSED_FILE, MIDDLEWARE
from vllm_runtime.errors import ArgumentRefused, ModelMissing, ProfileInvalid
from vllm_runtime.profiles import Profile

VLLM_SERVE = (sys.executable, "-P", "-m", "vllm.entrypoints.cli.main", "serve")
"""What the script `vllm serve` runs, in vLLM 0.13 and 0.32 alike; a PEX has no such script."""

ALWAYS = ("--enable-server-load-tracking", "--middleware", MIDDLEWARE)
"""Arguments without which the engine cannot be watched and drained: /load counts, and new requests
can be refused."""

SECRET_VARIABLES = ("VLLM_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Environment variables whose values are never shown."""

_REFUSED = {
    "--host": "give it to this program, which watches the engine there",
    "--port": "give it to this program, which watches the engine there",
    "--uds": "this program watches the engine over TCP",
    "--model": "name the model once, before `--`",
    "--api-key": "every user of the machine sees a command line; set VLLM_API_KEY instead",
    "--ssl-keyfile": "end TLS in front of the engine",
    "--ssl-certfile": "end TLS in front of the engine",
    "--config": "it may move the engine to another port; use a profile",
    "--headless": "an engine without a server cannot be watched",
    "--disable-log-stats": "progress and draining are seen in the statistics",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """One engine, ready to be started.

    Attributes:
        command: program and arguments; holds no secret.
        environment: the whole environment of the process; may hold secrets.
        host: where clients reach it; may be a wildcard.
        config_sha256: over everything that changes answers or speed, the same on every machine.
    """

    model: str
    command: tuple[str, ...]
    host: str
    port: int
    config_sha256: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def local_host(self) -> str:
        """Where this program reaches the engine."""
        return {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)


def engine_for(
    model: str | None,
    profile: Profile,
    extra_args: Sequence[str],
    *,
    host: str,
    port: int,
    closed_file: Path,
    serve: Sequence[str] = VLLM_SERVE,
    inherited: Mapping[str, str] = os.environ,
) -> Engine:
    """Put an engine's command together.

    Args:
        model: a folder or a hub id; None takes the profile's.
        extra_args: arguments for vLLM; they come after the profile's, so they win.
        closed_file: the engine refuses new requests when it exists.
        serve: the program and its arguments up to the model.

    Raises:
        ProfileInvalid: no model is named anywhere.
        ModelMissing: the model is a path and nothing is there.
        ArgumentRefused: an argument is this program's own, or would show a secret.
    """
    model = model or profile.model
    if model is None:
        raise ProfileInvalid("no model is named: give MODEL, or a profile that has `model`")
    _require_model(model)
    settings = [*_arguments(profile), *profile.extra_args, *extra_args]
    _refuse_own(settings)
    _refuse_secrets(profile)
    return Engine(
        model=model,
        command=(*serve, model, *settings, *ALWAYS, "--host", host, "--port", str(port)),
        host=host,
        port=port,
        config_sha256=_digest({"model": model, "arguments": settings, "env": profile.env}),
        # Unbuffered, so that an engine's last words are not lost with it.
        environment={
            **inherited,
            **profile.env,
            "PYTHONUNBUFFERED": "1",
            CLOSED_FILE: str(closed_file),
        },
    )


def _arguments(profile: Profile) -> list[str]:
    named = {
        "--dtype": profile.dtype,
        "--gpu-memory-utilization": profile.gpu_memory_utilization,
        "--max-model-len": profile.max_model_len,
        "--tensor-parallel-size": profile.tensor_parallel_size,
    }
    return [
        part for name, value in named.items() if value is not None for part in (name, f"{value}")
    ]


def _require_model(model: str) -> None:
    if model.startswith(("/", "./", "../")) and not Path(model).exists():
        raise ModelMissing(f"there is no model at {model}; name a folder or a hub id")


def _refuse_own(arguments: Sequence[str]) -> None:
    for argument in arguments:
        # vLLM takes underscores for hyphens, and values after `=`.
        name = argument.partition("=")[0].replace("_", "-")
        if name in _REFUSED:
            raise ArgumentRefused(f"{name} cannot be passed on to vLLM: {_REFUSED[name]}")


def _refuse_secrets(profile: Profile) -> None:
    for name in SECRET_VARIABLES:
        if name in profile.env:
            raise ArgumentRefused(
                f"the profile's env sets {name}; a secret belongs into the environment of this "
                "program, not into a file of settings"
            )


def _digest(config: object) -> str:
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
