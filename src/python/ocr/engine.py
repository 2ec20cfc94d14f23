"""Which OCR engine this environment holds."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ocr.errors import EngineMissing

ENGINE = "rapidocr"


@dataclass(frozen=True)
class Engine:
    """An installed distribution.

    Attributes:
        name: of the distribution.
        version: as its metadata say.
    """

    name: str
    version: str


def installed_engine(name: str = ENGINE) -> Engine:
    """Return the engine with the version of its metadata; nothing is loaded.

    Raises:
        EngineMissing: it is not installed.
    """
    try:
        return Engine(name, version(name))
    except PackageNotFoundError:
        raise EngineMissing(
            f"the OCR engine {name} is not installed in this environment; "
            "run the program that is built from the ocr lock, dist/ocr.pex"
        ) from None
