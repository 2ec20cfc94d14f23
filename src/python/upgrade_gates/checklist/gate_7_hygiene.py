"""Gate 7: locked, split, clean, reproducible."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line, summed_up

_VERIFY = "upgrade_gates hygiene verify"
_LOCKS = ("runtime_lock", "edge_lock", "api_lock", "ocr_lock")

GATE = Gate(
    7,
    "Leave the dependencies clean",
    (
        *summed_up(
            "7.locks",
            "Every stack installs from a lock",
            Line(
                id="7.locks.fresh",
                text="Each lock belongs to its input, and its as-of date is known",
                command=_VERIFY,
                binds=_LOCKS,
            ),
            Line(
                id="7.locks.hashed",
                text="Every distribution is pinned, with hashes and without an address",
                command=_VERIFY,
                binds=_LOCKS,
            ),
            Line(
                id="7.locks.installable",
                text="Each lock can be installed",
                command=f"{_VERIFY} --install",
                binds=_LOCKS,
                days=90,
            ),
        ),
        Line(
            id="7.split",
            text="Optional stacks are apart: each has a lock of its own",
            command=_VERIFY,
            binds=_LOCKS,
        ),
        Line(
            id="7.clean",
            text="`pip check` is clean in each stack, but for the listed exceptions",
            command=_VERIFY,
            binds=("runtime_pex", "edge_pex", "api_pex", "ocr_pex"),
        ),
        Line(
            id="7.stable",
            text="The stable channel is reproducible: two builds are the same, byte for byte",
            command=f"{_VERIFY} --second-build PEX",
            binds=("runtime_lock", "runtime_pex"),
        ),
        Line(
            id="7.edge",
            text="The edge channel exists, and differs from stable",
            command=_VERIFY,
            binds=("runtime_lock", "edge_lock"),
        ),
        Line(
            id="7.sbom",
            text="Each stack has a bill of materials (CycloneDX)",
            command=_VERIFY,
            binds=_LOCKS,
        ),
    ),
)
