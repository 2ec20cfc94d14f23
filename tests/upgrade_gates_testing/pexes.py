"""Small PEX files, built as Pex lays them out."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path


def pex_info(versions: Mapping[str, str]) -> str:
    """Return a PEX-INFO that lists distributions."""
    wheels = {
        f"{name.replace('-', '_')}-{version}-py3-none-any.whl": "0" * 64
        for name, version in versions.items()
    }
    return json.dumps(
        {
            "code_hash": "c" * 40,
            "distributions": wheels,
            "interpreter_constraints": ["CPython==3.11.*"],
        }
    )


def packed_pex(folder: Path, versions: Mapping[str, str], program: str) -> Path:
    """Make a packed PEX, which is a folder, that runs a program."""
    folder.mkdir(parents=True)
    (folder / "PEX-INFO").write_text(pex_info(versions))
    (folder / "__main__.py").write_text(program)
    return folder


def zipped_pex(file: Path, versions: Mapping[str, str], program: str) -> Path:
    """Make a PEX file that runs a program. The same content makes the same bytes."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (("PEX-INFO", pex_info(versions)), ("__main__.py", program)):
            archive.writestr(zipfile.ZipInfo(name), content)
    return file
