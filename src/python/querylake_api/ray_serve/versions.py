"""Whether this program and a cluster can talk: Ray demands the same Ray and the same Python."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version

import httpx

SECONDS = 5.0


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
    try:
        answer = httpx.get(f"{dashboard}/api/version", timeout=SECONDS, trust_env=False)
        document = answer.raise_for_status().json()
        return ClusterVersion(str(document["ray_version"]), str(document["session_name"]))
    except httpx.HTTPStatusError as error:
        raise DashboardUnusable(f"it answers {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise DashboardUnusable(str(error) or type(error).__name__) from None
    except (ValueError, KeyError, TypeError):
        raise DashboardUnusable("what answers there is not Ray's dashboard") from None


def mismatches(cluster: ClusterVersion) -> list[str]:
    """Return one clause for each version that would keep Ray from talking."""
    if cluster.ray == own_ray():
        return []
    return [f"the cluster runs Ray {cluster.ray} and this program has {own_ray()}"]
