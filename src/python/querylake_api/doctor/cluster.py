"""A Ray cluster, by what its dashboard says."""

from __future__ import annotations

from querylake_api.doctor.findings import Finding, fault, good
from querylake_api.doctor.ray_versions import (
    DashboardUnusable,
    cluster_version,
    mismatches,
    own_python,
    own_ray,
)


def examine_cluster(dashboard: str) -> Finding:
    """Compare a cluster's version with ours, without connecting to it."""
    subject = "Ray cluster"
    try:
        cluster = cluster_version(dashboard.rstrip("/"))
    except DashboardUnusable as error:
        return fault(
            subject, f"{dashboard}: {error}", "name its dashboard, as http://head:8265, or start it"
        )
    problems = mismatches(cluster)
    if problems:
        return fault(
            subject,
            "; ".join(problems),
            "use a QueryLake that was built for the cluster's Ray, or another cluster",
        )
    return good(subject, f"Ray {own_ray()}, as ours; its nodes need Python {own_python()}")
