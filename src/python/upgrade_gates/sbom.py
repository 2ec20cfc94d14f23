"""A bill of materials for a lock: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.

The same lock and PEX give the same bytes. The lock says which files may be installed, and their
hashes; licences and the tree of dependencies come from the metadata inside a PEX.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querylake_version import VERSION
from upgrade_gates.hygiene.consistency import Distribution, applicable
from upgrade_gates.lock_file import LockFile, Pin, normalised

_NAMESPACE = uuid.UUID("5d1f3a52-6a0c-5a5e-9d55-1f7f0f6f2b0a")
PYTHON = "3.11"
"""Of every stack; requirements that hold for other versions only are left out."""

SUFFIX = ".cdx.json"


def bill_of_materials(
    lock: LockFile, sha256: str, built: Mapping[str, Distribution] | None = None
) -> dict[str, Any]:
    """Return the bill of a lock.

    Args:
        sha256: of the lock's file.
        built: what a PEX of the lock holds, by name: only its metadata says who requires whom, and
            under which licence each is. None where there is no PEX.
    """
    stack = f"stack:{lock.name}"
    pins = sorted(lock.pins, key=lambda pin: pin.name)
    known = {
        pin.name: built[pin.name]
        for pin in pins
        if built is not None and pin.name in built and built[pin.name].version == pin.version
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, sha256)}",
        "version": 1,
        "metadata": {
            **({"timestamp": f"{lock.as_of}T23:59:59Z"} if lock.as_of else {}),
            "tools": {
                "components": [{"type": "application", "name": "upgrade_gates", "version": VERSION}]
            },
            "component": {
                "type": "application",
                "bom-ref": stack,
                "name": lock.name,
                "description": f"The distributions that {lock.path.name} pins",
                "hashes": [{"alg": "SHA-256", "content": sha256}],
            },
        },
        "components": [_component(pin, known.get(pin.name)) for pin in pins],
        "dependencies": _dependencies(stack, pins, known),
        # Without metadata, that nothing is said of a dependency does not mean that there is none.
        "compositions": [
            {
                "aggregate": "complete" if len(known) == len(pins) else "incomplete",
                "dependencies": [stack, *(_purl(pin) for pin in pins)],
            }
        ],
    }


def _dependencies(
    stack: str, pins: list[Pin], known: Mapping[str, Distribution]
) -> list[dict[str, Any]]:
    """Return who requires whom; the stack itself requires what nobody else does."""
    by_name = {pin.name: pin for pin in pins}
    edges = {
        pin.name: sorted(
            {
                name
                for requirement in applicable(known[pin.name], PYTHON)
                if (name := normalised(requirement.name)) in by_name and name != pin.name
            }
        )
        for pin in pins
        if pin.name in known
    }
    required = {name for names in edges.values() for name in names}
    roots = [pin for pin in pins if pin.name not in required]
    return [
        {"ref": stack, "dependsOn": [_purl(pin) for pin in roots]},
        *(
            {"ref": _purl(by_name[name]), "dependsOn": [_purl(by_name[each]) for each in names]}
            for name, names in edges.items()
        ),
    ]


def _purl(pin: Pin) -> str:
    return f"pkg:pypi/{pin.name}@{pin.version.replace('+', '%2B')}"


def _component(pin: Pin, built: Distribution | None) -> dict[str, Any]:
    purl = _purl(pin)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        **_licences(built),
        "purl": purl,
        # A lock admits several files of a release; each has its own hash.
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in pin.hashes],
        "externalReferences": [
            {
                "type": "distribution",
                "url": f"{purl}?checksum=sha256:{digest}",
                "hashes": [{"alg": "SHA-256", "content": digest}],
            }
            for digest in pin.hashes
        ],
        **(
            {"properties": [{"name": "querylake:marker", "value": pin.marker}]}
            if pin.marker
            else {}
        ),
    }


def _licences(built: Distribution | None) -> dict[str, Any]:
    if built is None or built.licence is None:
        return {}
    if built.spdx:
        return {"licenses": [{"expression": built.licence}]}
    return {"licenses": [{"license": {"name": built.licence}}]}


def write_bill(
    lock: LockFile, sha256: str, folder: Path, built: Mapping[str, Distribution] | None = None
) -> Path:
    """Write the bill of a lock, and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{lock.name}{SUFFIX}"
    bill = bill_of_materials(lock, sha256, built)
    file.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    return file
