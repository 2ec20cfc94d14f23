"""Whether this program and a cluster can talk: Ray demands the same Ray and the same Python."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import httpx

SECONDS = 5.0

_REFUSALS = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
"""Ray asks for a token unless it is told not to: `RAY_AUTH_MODE`."""


@dataclass(frozen=True, slots=True)
class ClusterVersion:
    """What a cluster's dashboard says of itself.

    Attributes:
        ray: the version of its head.
        session: Ray's name of the cluster since it was started.
    """

    ray: str
    session: str


class DashboardUnusable(Exception):
    """A dashboard gave no answer, or another than Ray's; the message is one clause."""


def own_ray() -> str:
    """Return the version of Ray in this program."""
    return version("ray")


def own_python() -> str:
    """Return the version of Python that runs this program."""
    return platform.python_version()


def cluster_version(dashboard: str) -> ClusterVersion:
    """Ask a dashboard, which needs no connection to the cluster.

    Args:
        dashboard: its URL, as `http://head:8265`.

    Raises:
        DashboardUnusable: it does not answer, or is none.
    """
    token = _token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.get(
            f"{dashboard}/api/version", headers=headers, timeout=SECONDS, trust_env=False
        )
        if answer.status_code in _REFUSALS:
            raise DashboardUnusable(
                f"it answers {answer.status_code}: it wants the cluster's token, in "
                "RAY_AUTH_TOKEN or ~/.ray/auth_token"
            )
        document = answer.raise_for_status().json()
        return ClusterVersion(str(document["ray_version"]), str(document["session_name"]))
    except httpx.HTTPStatusError as error:
        raise DashboardUnusable(f"it answers {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise DashboardUnusable(str(error) or type(error).__name__) from None
    except (ValueError, KeyError, TypeError):
        raise DashboardUnusable("what answers there is not Ray's dashboard") from None


def show_token() -> None:
    """Have Ray show its token to the cluster that it connects to, if there is one.

    For a cluster that is named, Ray does so only if `RAY_AUTH_MODE` says so, and reads that when it
    is imported; what the operator has set stays. A cluster that wants no token takes no notice.
    """
    if _token() is not None:
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _token() -> str | None:
    """Return the cluster's token from where Ray itself looks for it; None without one."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        file = Path(named) if named else Path.home() / ".ray" / "auth_token"
        return file.read_text(encoding="utf-8").strip() or None
    except (OSError, RuntimeError, UnicodeDecodeError):  # no file, no home, no text
        return None


def mismatches(cluster: ClusterVersion) -> list[str]:
    """Return one clause for each version that would keep Ray from talking."""
    if cluster.ray == own_ray():
        return []
    return [f"the cluster runs Ray {cluster.ray} and this program has {own_ray()}"]
