"""What an upgrade is about: `.upgrade/upgrade.toml`.

Secrets are never in it: it names environment variables that hold them.
"""

from __future__ import annotations

import datetime
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from upgrade_gates.errors import ContextUnusable


def _base_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("write http://host:port or https://host:port")
    return url.rstrip("/")


Url = Annotated[str, AfterValidator(_base_url)]

EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Window(_Table):
    """When the driver may be changed; both with an offset from UTC."""

    start: datetime.datetime
    end: datetime.datetime


class Artefacts(_Table):
    """Files that evidence is bound to. A relative path starts at the folder that holds `.upgrade`.

    Attributes:
        runtime_lock, runtime_pex: the engine that is to become the default.
        edge_lock, edge_pex: the engine of the experimental channel.
        api_lock, api_pex, api_config: the API, and the file it is served with.
        ocr_lock, ocr_pex: the OCR service, where there is one.
        model: the model's file or folder, where this machine has it.
    """

    runtime_lock: Path | None = None
    runtime_pex: Path | None = None
    edge_lock: Path | None = None
    edge_pex: Path | None = None
    api_lock: Path | None = None
    api_pex: Path | None = None
    api_config: Path | None = None
    ocr_lock: Path | None = None
    ocr_pex: Path | None = None
    model: Path | None = None


class Serving(_Table):
    """An engine that serves.

    Attributes:
        url: up to and including `/v1`.
        model: the name that the engine knows the model by.
        key_env: the environment variable with the engine's key.
        runtime_url: where `vllm_runtime` says how it is, without a path.
    """

    url: Url
    model: str = Field(min_length=1)
    key_env: EnvironmentName | None = None
    runtime_url: Url | None = None


class Api(_Table):
    """The API.

    Attributes:
        url: without `/v1`.
        key_env: the environment variable with a client's key.
        admin_key_env: the one with a key of scope `admin`; without it `key_env` is used.
        model, embeddings_model, rerank_model, ocr_model: the names that clients use; one that is
            left out is not enabled, and nothing is asked of it.
    """

    url: Url
    key_env: EnvironmentName = "QUERYLAKE_API_KEY"
    admin_key_env: EnvironmentName | None = None
    model: str = Field(min_length=1)
    embeddings_model: str | None = None
    rerank_model: str | None = None
    ocr: bool = False


class Ray(_Table):
    """The Ray cluster that the API joins.

    Attributes:
        dashboard: the dashboard's address, without a path.
    """

    dashboard: Url


class UpgradeContext(_Table):
    """What an upgrade is about.

    Attributes:
        matrix: which set of versions was chosen (see `choose-matrix`).
        owner: the person who does the driver step.
        host: the GPU host's name, where `status` is asked on another machine too; else evidence of
            gates 0 and 1 counts only where it was made.
        serving: the new engine.
        old: the engine that answers today, and stays for the rollback.
    """

    matrix: Literal["A", "B"] | None = None
    owner: str | None = Field(default=None, min_length=1)
    host: str | None = Field(default=None, min_length=1)
    window: Window | None = None
    artefacts: Artefacts = Artefacts()
    serving: Serving | None = None
    old: Serving | None = None
    api: Api | None = None
    ray: Ray | None = None


def read_context(file: Path) -> UpgradeContext:
    """Read `upgrade.toml`.

    Raises:
        ContextUnusable: it cannot be read, is not TOML, or has a key or value that means nothing.
    """
    try:
        text = file.read_text(encoding="utf-8")
        return UpgradeContext.model_validate(tomllib.loads(text))
    except OSError as error:
        raise ContextUnusable(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ContextUnusable(f"{file} is not UTF-8 at byte {error.start}; save it so") from None
    except tomllib.TOMLDecodeError as error:
        raise ContextUnusable(f"{file} is not TOML: {error}") from None
    except ValidationError as error:
        raise ContextUnusable(f"{file}: {_problems(error)}") from None


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc'])}: "
        + ("there is no such key" if problem["type"] == "extra_forbidden" else problem["msg"])
        for problem in error.errors(include_input=False, include_url=False)
    )
