"""What can be said of locks by reading them. Pure but for the files beside a lock."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Sequence
from pathlib import Path

from upgrade_gates.api.contents import ENGINES, matches
from upgrade_gates.lock_file import LockFile
from upgrade_gates.serving.outcome import Outcome

_SHOWN = 5


def judge_fresh(locks: Sequence[LockFile], today: datetime.date) -> Outcome:
    """Judge whether each lock was made from the input that lies beside it, and when."""
    problems, said = [], []
    for lock in locks:
        problems += _age_problems(lock, today) + _input_problems(lock)
        if lock.as_of is not None:
            said.append(f"{lock.name} as of {lock.as_of} ({(today - lock.as_of).days} days)")
    return Outcome.of(problems, f"each belongs to its input: {', '.join(said)}", "")


def _age_problems(lock: LockFile, today: datetime.date) -> list[str]:
    if lock.as_of is None:
        return [f"{lock.path.name} does not say as of when; make it with build-support/lock"]
    if lock.as_of > today:
        return [f"{lock.path.name} is as of {lock.as_of}, which is to come"]
    return []


def _input_problems(lock: LockFile) -> list[str]:
    source = lock.path.with_suffix(".in")
    if not source.exists():
        return [f"{source.name} is not beside {lock.path.name}, so nobody knows what it answers"]
    if lock.input_sha256 != input_digest(lock.path):
        return [
            f"{source.name} has changed since {lock.path.name} was made; run: build-support/lock "
            f"{lock.name}"
        ]
    return []


def input_digest(lock: Path) -> str:
    """Return the digest of what a lock is made from: its input, then its overrides."""
    digest = hashlib.sha256()
    for file in (lock.with_suffix(".in"), lock.with_suffix(".overrides")):
        if file.exists():
            digest.update(file.read_bytes())
    return digest.hexdigest()


def judge_hashed(locks: Sequence[LockFile]) -> Outcome:
    """Judge whether every requirement is a pin with hashes."""
    problems = []
    for lock in locks:
        bare = [pin.name for pin in lock.pins if not pin.hashes]
        if bare:
            problems.append(f"{lock.path.name}: no hash for {', '.join(bare[:_SHOWN])}")
        if lock.strangers:
            problems.append(f"{lock.path.name}: no pin: {'; '.join(lock.strangers[:_SHOWN])}")
    count = sum(len(lock.pins) for lock in locks)
    return Outcome.of(problems, f"{count} pins in {len(locks)} locks, each with hashes", "")


def judge_split(
    api: LockFile, runtime: LockFile, edge: LockFile | None = None, ocr: LockFile | None = None
) -> Outcome:
    """Judge whether vLLM is in its own stacks and nowhere else, and the API holds no engine."""
    problems = [
        f"{api.path.name} holds {pin.name}, which belongs to an engine's stack"
        for pin in api.pins
        if matches(pin.name, ENGINES)
    ]
    stacks = [runtime] if edge is None else [runtime, edge]
    others = [] if ocr is None else [ocr]
    problems += [f"{stack.path.name} holds vLLM" for stack in others if "vllm" in stack.versions()]
    problems += [
        f"{stack.path.name} holds no vLLM" for stack in stacks if "vllm" not in stack.versions()
    ]
    names = ", ".join(lock.path.name for lock in (api, *others, *stacks))
    return Outcome.of(problems, f"a lock for each stack ({names}); engines in their own only", "")


def judge_edge(runtime: LockFile, edge: LockFile) -> Outcome:
    """Judge whether edge is another stack than stable."""
    stable, newer = runtime.versions(), edge.versions()
    same = [name for name in ("vllm", "torch") if stable.get(name) == newer.get(name)]
    problems = [f"{name} is {stable.get(name)} in both channels" for name in same]
    return Outcome.of(
        problems,
        f"vLLM {newer.get('vllm')} and torch {newer.get('torch')} in edge, "
        f"{stable.get('vllm')} and {stable.get('torch')} in stable",
        "",
    )
