"""Value types that describe an upstream engine. Plain dataclasses: no I/O, no framework."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The four deadlines of a call, in seconds.

    Attributes:
        connect: TCP and TLS set-up, and before it the wait for a free one of `max_connections`.
        first_byte: from the request's last byte to the answer's first (queueing and prefill), and
            again from the answer's head to its body's first byte: some engines send it at once.
            Sending the request may take as long once more, so that a frozen engine is noticed.
        idle: between two chunks of a body that has begun.
        total: the whole call; None for streams that may run as long as tokens flow.
    """

    connect: float = 5.0
    first_byte: float = 300.0
    idle: float = 60.0
    total: float | None = None


@dataclass(frozen=True, slots=True)
class UpstreamConfig:
    """One engine endpoint.

    Attributes:
        name: the operator's name for it, used in errors, logs and metrics.
        base_url: up to and including `/v1`, without a trailing slash.
        api_key: the upstream's own key; sent as a bearer token, never shown in `repr`.
        timeouts: deadlines of every call.
        max_connections: open connections at most; 0 means no limit of ours.
        max_response_bytes: of a body that is read as a whole.
    """

    name: str
    base_url: str
    api_key: str | None = field(default=None, repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_connections: int = 0
    max_response_bytes: int = 128 * 1024 * 1024
