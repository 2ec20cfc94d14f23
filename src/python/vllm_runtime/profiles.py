"""Named sets of engine settings in a TOML file, one table per profile below `[profiles]`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vllm_runtime.errors import ProfileInvalid


class Profile(BaseModel):
    """How vLLM is to run a model. What is left out is left to vLLM.

    Attributes:
        model: a folder or a hub id; the command line's goes before it.
        gpu_memory_utilization: share of each GPU's memory, above 0 and up to 1.
        max_model_len: context length in tokens.
        extra_args: further arguments of `vllm serve`, as on a command line.
        env: environment variables of the engine, on top of the inherited ones.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    model: str | None = Field(default=None, min_length=1)
    dtype: str | None = None
    gpu_memory_utilization: float | None = Field(default=None, gt=0, le=1)
    max_model_len: int | None = Field(default=None, gt=0)
    tensor_parallel_size: int | None = Field(default=None, gt=0)
    extra_args: list[str] = []
    env: dict[str, str] = {}


class _ProfileFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    profiles: dict[str, Profile]


def load_profile(file: Path, name: str) -> Profile:
    """Read one profile; the whole file has to be valid.

    Raises:
        ProfileInvalid: the file cannot be read, has an unknown key or a value out of range, or
            lacks the profile.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        profiles = _ProfileFile.model_validate(content).profiles
    except OSError as error:
        raise ProfileInvalid(f"the profiles {file} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProfileInvalid(f"{file}: {where}: {first['msg']}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise ProfileInvalid(f"{file} is not TOML: {error}") from None
    if name not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ProfileInvalid(f"{file} has no profile {name!r}; it has: {known}")
    return profiles[name]
