"""What can go wrong between this program and a Ray cluster."""

from __future__ import annotations

from querylake_api.errors import EX_CONFIG, OperatorError


class RayError(OperatorError):
    """Root of faults of and around Ray."""


class ClusterUnreachable(RayError):
    """No cluster answers at the address."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"no Ray cluster can be reached at {address!r}: {reason}; give the address of one with "
            "--address, and its token in RAY_AUTH_TOKEN if it wants one, or start one for yourself "
            "with --local"
        )


class ClusterMismatch(RayError):
    """The cluster runs other versions than this program, and Ray would not talk across them."""

    exit_code = EX_CONFIG

    def __init__(self, problems: list[str]) -> None:
        super().__init__(
            f"{'; '.join(problems)}. Run a QueryLake that was built for the cluster's versions, or "
            "upgrade the cluster beside the old one; nothing was deployed"
        )


class DeploymentFailed(RayError):
    """The cluster did not bring the application up."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Ray Serve could not bring the application up: {reason}")


class NotDeployed(RayError):
    """There is nothing of ours to take away."""

    def __init__(self, name: str) -> None:
        super().__init__(f"this cluster has no application {name!r}; nothing was changed")


class ConfigurationDiffers(RayError):
    """The file on a node is not the one that was deployed."""

    exit_code = EX_CONFIG

    def __init__(self, path: str, found: str, wanted: str) -> None:
        super().__init__(
            f"{path} on this node reads as {found}, but {wanted} was deployed; copy the file to "
            "every node, with the same environment, and deploy again"
        )
