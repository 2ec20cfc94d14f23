"""What the API's PEX holds, and what it must not. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.lock_file import LockFile
from upgrade_gates.pex_file import PexFile
from upgrade_gates.serving.outcome import Outcome

ENGINES = (
    *("torch", "torch-*", "torchvision", "torchaudio", "torchao", "vllm", "vllm-*", "nvidia-*"),
    *("cuda-*", "cupy*", "triton", "triton-*", "xformers", "flashinfer*", "flash-attn*"),
    *("onnxruntime*", "xllamacpp*", "llama-cpp-python"),
)
"""Distributions that run models, as wildcards."""

DEVELOPMENT = ("black", "hypothesis", "ipython", "mypy", "pytest", "pytest-*", "ruff")
"""Distributions that only the API's developers need."""

_SHOWN = 5


def judge_environment(pex: PexFile, lock: LockFile) -> Outcome:
    """Judge whether every distribution has the version that the lock pins."""
    if not pex.versions:
        return Outcome(
            Verdict.FAIL,
            f"{pex.path.name} holds no distribution, and {lock.path.name} pins {len(lock.pins)}; "
            "build it again",
        )
    differences = pex.disagreements(lock)
    if differences:
        return Outcome(
            Verdict.FAIL,
            f"{pex.path.name} was not made from {lock.path.name}: it holds "
            f"{'; '.join(differences[:_SHOWN])}; build it again",
        )
    if pex.absent:
        return Outcome(
            Verdict.FAIL,
            f"{pex.path.name} lists {len(pex.absent)} distributions that are not in it, such as "
            f"{pex.absent[0]}; build it again",
        )
    return Outcome(
        Verdict.PASS,
        f"{pex.path.name} holds {len(pex.versions)} distributions, each as {lock.path.name} pins "
        f"it, for {', '.join(pex.interpreters) or 'any Python'}",
    )


def judge_minimal(pex: PexFile, lock: LockFile) -> Outcome:
    """Judge whether it holds more than it needs to serve."""
    pinned = lock.versions()
    strangers = [name for name in pex.versions if name not in pinned]
    tools = matching(pex, DEVELOPMENT)
    problems = []
    if strangers:
        problems.append(f"not in the lock: {', '.join(sorted(strangers))}")
    if tools:
        problems.append(f"only developers need: {', '.join(tools)}")
    return Outcome.of(
        problems,
        f"{len(pex.versions)} of the {len(pinned)} distributions of {lock.path.name}, and no tool "
        "of its developers",
        "".join(f"{name} {version}\n" for name, version in sorted(pex.versions.items())),
    )


def judge_engines(pex: PexFile, lock: LockFile) -> Outcome:
    """Judge whether an engine is in it, or in its lock."""
    in_lock = [pin.name for pin in lock.pins if matches(pin.name, ENGINES)]
    problems = [f"{pex.path.name} holds {name}" for name in matching(pex, ENGINES)]
    problems += [f"{lock.path.name} pins {name}" for name in in_lock]
    return Outcome.of(problems, "no engine in the PEX or its lock", "")


def matching(pex: PexFile, wildcards: tuple[str, ...]) -> list[str]:
    """Return the distributions of a PEX whose names match."""
    return sorted(name for name in pex.versions if matches(name, wildcards))


def matches(name: str, wildcards: tuple[str, ...]) -> bool:
    """Whether a distribution's name fits one of some wildcards."""
    return any(fnmatchcase(name, wildcard) for wildcard in wildcards)
