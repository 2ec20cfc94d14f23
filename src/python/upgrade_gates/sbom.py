"""A bill of materials for a lock: CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/.

The same lock gives the same bytes.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from querylake_version import VERSION
from upgrade_gates.lock_file import LockFile, Pin

_NAMESPACE = uuid.UUID("5d1f3a52-6a0c-5a5e-9d55-1f7f0f6f2b0a")
SUFFIX = ".cdx.json"


def bill_of_materials(lock: LockFile, sha256: str) -> dict[str, Any]:
    """Return the bill of a lock.

    Args:
        sha256: of the lock's file.
    """
    stack = f"stack:{lock.name}"
    components = [_component(pin) for pin in sorted(lock.pins, key=lambda pin: pin.name)]
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
        "components": components,
        "dependencies": [
            {"ref": stack, "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }


def _component(pin: Pin) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin.name}@{pin.version.replace('+', '%2B')}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": pin.name,
        "version": pin.version,
        "purl": purl,
        # A lock admits several files of a release; each has its own hash.
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


def write_bill(lock: LockFile, sha256: str, folder: Path) -> Path:
    """Write the bill of a lock, and return where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{lock.name}{SUFFIX}"
    file.write_text(json.dumps(bill_of_materials(lock, sha256), indent=1) + "\n", encoding="utf-8")
    return file
