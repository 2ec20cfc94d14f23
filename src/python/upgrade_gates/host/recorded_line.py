"""What a line of gate 0's record saw, and the words that several lines use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from upgrade_gates.evidence.statement import Figure, Verdict
from upgrade_gates.host.facts import HostFacts
from upgrade_gates.host.output import Output

NOWHERE = "this machine shows no NVIDIA GPU, so run this on the GPU host"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a line of the checklist saw."""

    line: str
    verdict: Verdict
    reason: str
    output: str
    figures: Mapping[str, Figure] = field(default_factory=dict)


def absent(facts: HostFacts) -> bool:
    """Whether nothing here is NVIDIA's."""
    return not facts.nvidia_devices and facts.driver is None and facts.platform.instead is None


def bare(facts: HostFacts) -> bool:
    """Whether there are GPUs and nothing of a driver, which is a state to go back to as well."""
    return bool(facts.nvidia_devices) and facts.driver is None and not facts.driver_packages


def nothing_installed(facts: HostFacts) -> str:
    """Say so of a bare host."""
    return f"{len(facts.nvidia_devices)} NVIDIA GPUs and no driver: the way back is to remove it"


def elsewhere(facts: HostFacts) -> str | None:
    """Return what this machine is and what to do instead, where its driver is not its own."""
    instead = facts.platform.instead
    return None if instead is None else f"this is {facts.platform}; {instead}"


def outcomes(*outputs: Output) -> str:
    """Return how each source answered."""
    return ", ".join(each.outcome for each in outputs)


def raw(outputs: Iterable[Output]) -> str:
    """Return everything that sources said, as it is kept."""
    return "\n".join("\n".join(_block(each)) + "\n" for each in outputs)


def _block(output: Output) -> Iterator[str]:
    yield f"$ {output.source}"
    if output.trouble is not None:
        yield f"[{output.trouble}]"
    elif output.exit_code:
        yield f"[exit code {output.exit_code}]"
    if output.said.strip():
        yield output.said.rstrip()
