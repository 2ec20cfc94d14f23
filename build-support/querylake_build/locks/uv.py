"""The calls to uv: resolving a lock and proving that it installs."""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from querylake_build.locks.errors import NotInstallable, ResolveFailed
from querylake_build.locks.spec import LockSpec

_UNMET = re.compile(r"The package `(?P<package>[^`]+)` requires `(?P<requires>[A-Za-z0-9._-]+)")


@dataclass(frozen=True)
class Uv:
    """A uv executable and the interpreters that it may use, by minor version."""

    executable: Path
    pythons: dict[str, Path]
    cache: Path

    def resolve(self, spec: LockSpec, as_of: datetime.date, previous: Path | None) -> str:
        """Return hashed requirements for a lock's input.

        Args:
            spec: what to resolve.
            as_of: ignore what was published after this day.
            previous: a lock whose versions are kept where they still fit; None takes the newest.

        Raises:
            ResolveFailed: with uv's own explanation.
        """
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "lock"
            if previous is not None:
                output.write_bytes(previous.read_bytes())
            # The end of the day, so that the same date gives the same answer whenever it is asked.
            cutoff = f"{as_of.isoformat()}T23:59:59Z"
            arguments = ["pip", "compile", str(spec.input), "--output-file", str(output), "--quiet"]
            arguments += ["--python-version", spec.python, "--exclude-newer", cutoff]
            arguments += [
                "--generate-hashes",
                "--no-header",
                "--no-annotate",
                "--no-emit-index-url",
            ]
            if spec.overrides.exists():
                arguments += ["--overrides", str(spec.overrides)]
            done = self._run(arguments)
            if done.returncode != 0:
                raise ResolveFailed(f"{spec.name}: uv could not resolve it:\n{done.stderr.strip()}")
            return output.read_text()

    def prove_installable(self, spec: LockSpec, *, install: bool) -> str:
        """Show that a lock installs; return one clause that says what was shown.

        Args:
            spec: the lock.
            install: really install and check it for consistency; otherwise uv only plans the
                installation, which finds missing hashes and missing wheels but downloads nothing.

        Raises:
            NotInstallable: with uv's explanation, or the dependencies that are not met.
        """
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder) / "venv"
            python = ["--python", str(environment)]
            self._must(
                spec,
                ["venv", "--quiet", "--python", str(self.pythons[spec.python]), str(environment)],
            )
            arguments = [
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--requirement",
                str(spec.lock),
            ]
            self._must(spec, [*arguments, *python, *([] if install else ["--dry-run"])])
            if not install:
                return "can be installed (planned only)"
            self._require_consistent(spec, self._run(["pip", "check", *python]).stderr)
        return "installs, consistent" + (
            f" but for {len(spec.unmet)} listed exceptions" if spec.unmet else ""
        )

    def _require_consistent(self, spec: LockSpec, report: str) -> None:
        found = {(unmet["package"], unmet["requires"]) for unmet in _UNMET.finditer(report)}
        listed = {(unmet.package, unmet.requires) for unmet in spec.unmet}
        problems = [
            f"{package} requires {requires}, which is not met"
            for package, requires in sorted(found - listed)
        ]
        problems += [
            f"locks.toml lists {package} without {requires}, but it is met: delete the exception"
            for package, requires in sorted(listed - found)
        ]
        if not found and "incompatib" in report:
            problems.append(report.strip())
        if problems:
            raise NotInstallable(f"{spec.name}: " + "; ".join(problems))

    def _must(self, spec: LockSpec, arguments: list[str]) -> None:
        done = self._run(arguments)
        if done.returncode != 0:
            raise NotInstallable(f"{spec.name}: uv {arguments[0]} failed:\n{done.stderr.strip()}")

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "UV_CACHE_DIR": str(self.cache),
            "UV_NO_CONFIG": "1",
            "NO_COLOR": "1",
        }
        return subprocess.run(
            [str(self.executable), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
