"""Gate 5: a clean environment for the API."""

from __future__ import annotations

from upgrade_gates.checklist.line import Gate, Line

_VERIFY = "upgrade_gates api verify"

GATE = Gate(
    5,
    "A clean environment for the API, apart from the engine's",
    (
        Line(
            id="5.environment",
            text="The API has an environment of its own: one PEX, made from one lock",
            command=_VERIFY,
            binds=("api_lock", "api_pex"),
        ),
        Line(
            id="5.minimal",
            text="It holds only what the API needs: nothing beyond its lock, no development tools",
            command=_VERIFY,
            binds=("api_lock", "api_pex"),
        ),
        Line(
            id="5.no-engine",
            text="It holds no part of the inference stack",
            command=_VERIFY,
            binds=("api_lock", "api_pex"),
        ),
        Line(
            id="5.ray",
            text="Its Ray and Python are those of the cluster",
            command=f"{_VERIFY} --dashboard URL",
            binds=("api_lock", "api_pex", "setting:ray"),
            days=7,
            needs="ray.dashboard",
        ),
        Line(
            id="5.boot",
            text="It boots, and accepts its configuration",
            command=_VERIFY,
            binds=("api_pex", "api_config"),
        ),
        Line(
            id="5.upstream",
            text="It reaches its engines",
            command=_VERIFY,
            # Its PEX is added by the check, where it was seen to serve at the API's address.
            binds=("api_config", "setting:api"),
            days=7,
        ),
    ),
)
