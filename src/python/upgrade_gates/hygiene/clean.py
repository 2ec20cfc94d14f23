"""Is every built stack consistent, but for the exceptions that `locks.toml` lists?"""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from upgrade_gates.errors import ArtefactUnusable
from upgrade_gates.evidence.statement import Verdict
from upgrade_gates.hygiene.consistency import Unmet, read_distributions, unmet
from upgrade_gates.lock_file import normalised
from upgrade_gates.pex_file import read_pex
from upgrade_gates.serving.outcome import Outcome

EXCEPTIONS = "locks.toml"
_MINOR = re.compile(r"\b3\.\d+")
_SHOWN = 5


def judge_clean(pexes: Mapping[str, tuple[Path | None, Path]]) -> Outcome:
    """Judge the stacks whose PEX is there.

    Args:
        pexes: PEX and lock by the artefact's name; None where upgrade.toml names no PEX.

    Raises:
        ArtefactUnusable: a PEX or `locks.toml` cannot be read.
    """
    problems, said, missing = [], [], []
    for name, (pex, lock) in pexes.items():
        if pex is None or not pex.exists():
            missing.append(f"{name} ({pex or 'not in upgrade.toml'})")
            continue
        distributions = read_distributions(pex)
        found = unmet(distributions, _python(pex))
        listed = _exceptions(lock)
        problems += [f"{pex.name}: {each}" for each in found if not _is_listed(each, listed)]
        excepted = sum(_is_listed(each, listed) for each in found)
        note = f", {excepted} listed exceptions" if excepted else ""
        said.append(f"{pex.name} {len(distributions)} distributions{note}")
    if problems:
        more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
        return Outcome(Verdict.FAIL, "; ".join(problems[:_SHOWN]) + more, "\n".join(problems))
    if missing:
        there = f"consistent: {', '.join(said)}; " if said else ""
        return Outcome(
            Verdict.INCONCLUSIVE if said else Verdict.NOT_CHECKABLE,
            f"{there}not here: {', '.join(missing)}; build them, or ask where they are",
        )
    return Outcome(Verdict.PASS, f"consistent: {', '.join(said)}")


def _python(pex: Path) -> str:
    found = _MINOR.search(" ".join(read_pex(pex).interpreters))
    return found.group() if found else ".".join(platform.python_version_tuple()[:2])


def _exceptions(lock: Path) -> set[tuple[str, str]]:
    """Return the pairs that the list beside the locks allows for a stack."""
    file = lock.with_name(EXCEPTIONS)
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        listed = table.get(lock.stem, {}).get("unmet", [])
        return {(normalised(each["package"]), normalised(each["requires"])) for each in listed}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ArtefactUnusable(f"{file} cannot be read: {error!r}") from None


def _is_listed(each: Unmet, listed: set[tuple[str, str]]) -> bool:
    required = re.split(r"[^A-Za-z0-9._-]", each.requirement, maxsplit=1)[0]
    return (normalised(each.distribution), normalised(required)) in listed
