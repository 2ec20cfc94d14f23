"""apt-get, apt-mark, dpkg-query and modinfo of a machine in a folder: one program, four names.

Knows of apt what the scripts rely on: versions that are to be had, what a driver's package pulls
in, that two series exclude each other, holds, simulation, `name=version`, `name-`, and files.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any


def load(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((folder / "apt.json").read_text())
    files = (folder / "installed").iterdir()
    return {**loaded, "installed": {file.name: file.read_text().strip() for file in files}}


def save(folder: Path, state: dict[str, Any]) -> None:
    for file in (folder / "installed").iterdir():
        if file.name not in state["installed"]:
            file.unlink()
    for name, version in state.pop("installed").items():
        (folder / "installed" / name).write_text(f"{version}\n")
    (folder / "apt.json").write_text(json.dumps(state, indent=1))


def series(name: str) -> str | None:
    found = re.search(r"-([0-9]{3})(?![0-9])", name)
    return found[1] if found and "nvidia" in name else None


def wanted(state: dict[str, Any], requests: list[str]) -> dict[str, str | None]:
    """Return what is to be installed (versions) or removed (None)."""
    changes: dict[str, str | None] = {}
    for request in requests:
        name, _, version = request.partition("=")
        if request.endswith(".deb"):
            name, version, _ = Path(request).name.replace("%3a", ":").split("_")
            if not Path(request).is_file():
                sys.exit(f"E: Unsupported file {request} given on commandline")
        elif request.endswith("-"):
            changes[request[:-1]] = None
            continue
        elif version not in state["available"].get(name, []):
            sys.stderr.write(f"E: Version '{version}' for '{name}' was not found\n")
            sys.exit(100)
        changes[name] = version
        for other in state["pulls"].get(name, []):
            changes.setdefault(other, state["available"][other][-1])
    new = {series(name) for name, version in changes.items() if version} - {None}
    for name in state["installed"]:
        if new and series(name) not in (None, *new) and name not in changes:
            changes[name] = None
    return {
        name: version
        for name, version in changes.items()
        if state["installed"].get(name) != version
    }


def install(state: dict[str, Any], arguments: list[str]) -> None:
    simulated = "--simulate" in arguments
    requests = [each for each in arguments if not each.startswith("--")][1:]
    changes = wanted(state, requests)
    held = [name for name in changes if name in state["holds"]]
    if held and "--allow-change-held-packages" not in arguments:
        sys.stderr.write("E: Held packages were changed and -y was used without permission.\n")
        sys.exit(100)
    for name, version in changes.items():
        before = state["installed"].get(name)
        was = f" [{before}]" if before else ""
        if version is None:
            print(f"Remv {name}{was}")
        else:
            print(f"Inst {name}{was} ({version} Ubuntu:22.04/jammy-updates [amd64])")
    if simulated:
        return
    if state.get("breaks"):
        sys.stderr.write("E: Sub-process /usr/bin/dpkg returned an error code (1)\n")
        sys.exit(100)
    for name, version in changes.items():
        state["installed"].pop(name, None)
        if version is not None:
            state["installed"][name] = version


def apt_get(state: dict[str, Any], arguments: list[str]) -> None:
    verb = next(each for each in arguments if not each.startswith("--"))
    if verb == "update":
        state["available"].update(state.get("after_update", {}))
    elif verb == "download":
        for request in arguments[1:]:
            name, _, version = request.partition("=")
            if version not in state["available"].get(name, []):
                sys.stderr.write(f"E: Version '{version}' for '{name}' was not found\n")
                sys.exit(100)
            Path(f"{name}_{version.replace(':', '%3a')}_amd64.deb").write_text("deb")
    elif verb == "install":
        install(state, arguments)
    else:
        sys.exit(f"E: Invalid operation {verb}")


def apt_mark(state: dict[str, Any], arguments: list[str]) -> None:
    verb, *names = arguments
    if verb == "showhold":
        print("\n".join(state["holds"]))
        return
    unknown = [name for name in names if name not in state["available"]]
    if unknown:
        sys.exit(f"E: Unable to locate package {unknown[0]}")
    holds = set(state["holds"])
    state["holds"] = sorted(holds | set(names) if verb == "hold" else holds - set(names))


def dpkg_query(state: dict[str, Any], arguments: list[str]) -> None:
    for name, version in sorted(state["installed"].items()):
        print(f"{'hi' if name in state['holds'] else 'ii'} \t{name}\tamd64\t{version}")


def modinfo(state: dict[str, Any], arguments: list[str]) -> None:
    built = [
        version for name, version in state["installed"].items() if "dkms" in name and series(name)
    ]
    kernels = state.get("built_for", [arguments[1]])
    if not built or state.get("unbuilt") or arguments[1] not in kernels:
        sys.exit("modinfo: ERROR: Module nvidia not found.")
    print(built[0].split("-")[0])


def main(folder: Path, name: str, arguments: list[str]) -> None:
    programs = {"apt-get": apt_get, "apt-mark": apt_mark, "modinfo": modinfo}
    state = load(folder)
    programs.get(name, dpkg_query)(state, arguments)
    save(folder, state)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
