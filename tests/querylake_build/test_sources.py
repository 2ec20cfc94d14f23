"""Every form in which a source can ask for a module."""

from __future__ import annotations

from pathlib import Path

import pytest

from querylake_build.boundaries.policy import Policy, TestTools
from querylake_build.boundaries.sources import check_sources, imports_of

POLICY = Policy(
    distributions=("torch",),
    modules=frozenset({"torch", "vllm"}),
    light_locks=(),
    test_tools=TestTools("tools/pytest", ("hypothesis",), frozenset({"hypothesis"}), (), ()),
    shared=frozenset({"llm_provider"}),
    wrappers={"vllm_runtime": frozenset({"torch", "vllm"})},
    floors={},
)


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "import os, torch",
        "import torch.nn as nn",
        "from torch import nn",
        "from torch.nn import functional",
        "try:\n    import torch\nexcept ImportError:\n    torch = None",
        "def late():\n    import torch",
        "if TYPE_CHECKING:\n    import torch",
        "import importlib\nimportlib.import_module('torch')",
        "from importlib import import_module as load\nload('torch')",
        "from importlib import import_module\nimport_module(name='torch.nn')",
        "__import__('torch')",
        "import builtins\nbuiltins.__import__('torch')",
        "import runpy\nrunpy.run_module('torch')",
        "import pkgutil\npkgutil.resolve_name('torch:nn')",
        "import importlib.util\nimportlib.util.find_spec('torch')",
    ],
)
def test_an_engine_is_seen_in_any_form(source: str) -> None:
    assert "torch" in {(found.module or "").partition(".")[0] for found in imports_of(source)}


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module('tor' + 'ch')",
        "import importlib\nimportlib.import_module(f'{x}')",
        "__import__(name)",
        "exec('import torch')",
        "eval(text)",
    ],
)
def test_a_module_that_cannot_be_read_is_seen(source: str) -> None:
    assert None in {found.module for found in imports_of(source)}


@pytest.mark.parametrize(
    "source",
    [
        "'import torch'",
        "# import torch",
        "from . import torch",
        "engine.evaluate('torch')",
        "model.eval()",
        "import torchlike",
    ],
)
def test_what_only_looks_like_an_engine_is_left_alone(source: str) -> None:
    assert not {found.module for found in imports_of(source)} & {"torch", "vllm", None}


def checked(root: Path, **files: str) -> list[str]:
    """Write sources, named by their paths with `__` for `/`, and return what is said of them."""
    for folder in ("src/python/api", "src/python/llm_provider", "src/python/vllm_runtime"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tests", "build-support"):
        (root / folder).mkdir(exist_ok=True)
    for name, text in files.items():
        file = root / (name.replace("__", "/") + ".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
    violations, _ = check_sources(root, POLICY)
    return [f"{violation.place} {violation.says}" for violation in violations]


def test_only_its_wrapper_may_import_an_engine(tmp_path: Path) -> None:
    assert checked(tmp_path, src__python__vllm_runtime__probe="import vllm, torch") == []
    assert checked(tmp_path, src__python__api__app="\nimport vllm") == [
        "src/python/api/app.py:2 `import` imports the engine vllm"
    ]


def test_applications_share_libraries_but_not_each_other(tmp_path: Path) -> None:
    assert checked(tmp_path, src__python__api__app="import api.x\nimport llm_provider") == []
    assert checked(tmp_path, src__python__api__app="from vllm_runtime.cli import main") == [
        "src/python/api/app.py:1 `from … import` imports another application's code"
    ]


def test_tests_and_build_tools_hold_no_engine_either(tmp_path: Path) -> None:
    assert len(checked(tmp_path, tests__api__test_x="import vllm")) == 1
    assert len(checked(tmp_path, **{"build-support__x": "import torch"})) == 2
    assert len(checked(tmp_path, tests__vllm_runtime__test_x="import vllm")) == 2


def test_a_comment_that_hides_an_import_is_seen_wherever_it_stands(tmp_path: Path) -> None:
    [said] = checked(tmp_path, src__python__api__app="import os  # x  # pants: no-infer-dep y")
    assert said.startswith("src/python/api/app.py:1 `# pants: no-infer-dep`")
    assert checked(tmp_path, src__python__api__app='x = "# pants: no-infer-dep"') == []
