"""Violations that are planted into a throw-away copy, to show that the checks would see them."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from querylake_build.boundaries.policy import BoundaryError

_API = "src/python/querylake_api"
_MODULE = f"{_API}/process/startup.py"


@dataclass(frozen=True)
class Plant:
    """A violation, and who has to see it.

    Attributes:
        title: what somebody did.
        file: which file they edited, or added, from the repository's root.
        text: what they added at its end, or put in place of something.
        seen_by: the rules that must report it, each by itself.
        replaces: what the text is put in place of.
    """

    title: str
    file: str
    text: str
    seen_by: tuple[str, ...]
    replaces: str = ""

    def applied(self, content: str) -> str:
        """Return the contents of the file with the violation.

        Raises:
            BoundaryError: it has nothing that could be replaced.
        """
        if not self.replaces:
            return content + self.text
        if self.replaces not in content:
            raise BoundaryError(f"{self.file} has no {self.replaces!r} to plant a violation at")
        return content.replace(self.replaces, self.text)


PLANTS = (
    Plant("import of vllm in the API", _MODULE, "import vllm\n", ("sources", "pants")),
    Plant("several imports on one line", _MODULE, "import os, torch\n", ("sources",)),
    Plant(
        "guarded import",
        _MODULE,
        "try:\n    import torch\nexcept ImportError:\n    pass\n",
        ("sources",),
    ),
    Plant(
        "module named by a string",
        _MODULE,
        'import importlib\n\nimportlib.import_module("vllm")\n',
        ("sources",),
    ),
    Plant(
        "dependency on another stack in a BUILD file",
        f"{_API}/BUILD",
        'python_sources(name="planted", sources=["__main__.py"], resolve="api",'
        ' dependencies=["//3rdparty/python:inference#vllm"])\n',
        ("pants",),
    ),
    Plant(
        "torch in api.lock",
        "3rdparty/python/api.lock",
        f"torch==2.9.0 \\\n    --hash=sha256:{'0' * 64}\n",
        ("locks",),
    ),
    Plant(
        "pytest in api.lock",
        "3rdparty/python/api.lock",
        f"pytest==9.2.0 \\\n    --hash=sha256:{'0' * 64}\n",
        ("locks",),
    ),
    Plant("import of hypothesis in the API", _MODULE, "import hypothesis\n", ("sources",)),
    Plant(
        "another version beside pytest than in api.lock",
        "3rdparty/python/tools/pytest.lock",
        f"fastapi==0.1.0 \\\n    --hash=sha256:{'0' * 64}\n",
        ("locks",),
    ),
    Plant(
        "vllm_runtime imported by the API",
        _MODULE,
        "import vllm_runtime.cli\n",
        ("sources", "pants"),
    ),
    Plant(
        "import hidden from Pants",
        _MODULE,
        "import vllm  # pants: no-infer-dep\n",
        ("sources",),
    ),
    Plant(
        "import of a room above",
        f"{_API}/keys/ring.py",
        "from querylake_api.inference.catalog import Catalog\n",
        ("floors",),
    ),
    Plant(
        "modules that import in a circle",
        "src/python/ocr/errors.py",
        "import ocr.cli\n",
        ("floors",),
    ),
    Plant(
        "module outside every room",
        f"{_API}/helpers.py",
        '"""Whatever."""\n',
        ("floors",),
    ),
    Plant(
        "imports that no stack owns tolerated",
        "pants.toml",
        'unowned_dependency_behavior = "warning"',
        ("pants-settings",),
        replaces='unowned_dependency_behavior = "error"',
    ),
)


@contextmanager
def copied(repository: Path, folder: Path) -> Iterator[Path]:
    """Give a copy of what a commit of the working tree would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    copy = folder / "copy"
    for name in filter(None, listed.stdout.split("\0")):
        source, target = repository / name, copy / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    yield copy


@contextmanager
def planted(copy: Path, plant: Plant) -> Iterator[None]:
    """Have a violation in a copy for the block."""
    file = copy / plant.file
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.write_text(plant.applied(before or ""), encoding="utf-8")
    try:
        yield
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")


def smuggled(pex: Path, folder: Path) -> Path:
    """Return a copy of a PEX that holds an engine besides what it held."""
    copy = folder / pex.name
    shutil.copy2(pex, copy)
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr(".deps/torch-2.9.0-cp311-cp311-linux_x86_64.whl/torch/__init__.py", "")
    return copy
