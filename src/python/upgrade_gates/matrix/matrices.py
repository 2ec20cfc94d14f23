"""The matrices, as data (`matrices.toml`)."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict

MatrixName = Literal["A", "B"]

FILE = "matrices.toml"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Matrix(_Table):
    """A set of versions that go together.

    Attributes:
        driver: the oldest that will do.
        cuda: the newest CUDA version that wheels may be built with.
        series: the driver's branch to install.
        window_minutes: what a maintenance window must at least have.
    """

    driver: str
    cuda: str
    series: int
    torch: str
    vllm: str
    pythons: tuple[str, ...]
    window_minutes: int


class Series(_Table):
    """A branch of drivers. `until` is the last day on which it gets fixes."""

    number: int
    name: str
    until: datetime.date


class Architectures(_Table):
    """GPU architectures, as `nvidia-smi` names them, that are special."""

    too_old: frozenset[str]
    needs_open_modules: frozenset[str]
    lacks_open_modules: frozenset[str]


class Matrices(_Table):
    """Everything in the file."""

    matrices: Mapping[MatrixName, Matrix]
    series: tuple[Series, ...]
    architectures: Architectures

    def branch(self, number: int) -> Series | None:
        """Return what is known of a driver's branch."""
        return next((each for each in self.series if each.number == number), None)


@cache
def load_matrices() -> Matrices:
    """Read the file that this package carries."""
    text = resources.files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return Matrices.model_validate(tomllib.loads(text))
