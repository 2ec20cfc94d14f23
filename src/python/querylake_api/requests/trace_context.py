"""Where a request stands in a distributed trace. W3C Trace Context, level 1.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]+")
_MAX_STATE = 512
"""Bytes of `tracestate` that everybody has to pass on; what is longer may be dropped."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One request's part of a trace: a span for the request, and one in it for the engine's work.

    Attributes:
        parent: the caller's span, if it named one.
        sampled: whether the spans are exported.
        state: the caller's `tracestate`, passed on as it is; None also where it is not ASCII.
    """

    trace_id: str
    request_span: str
    engine_span: str
    parent: str | None
    sampled: bool
    state: str | None = None

    def headers(self) -> dict[str, str]:
        """Return the headers that make an engine's spans children of ours."""
        flags = "01" if self.sampled else "00"
        headers = {"traceparent": f"00-{self.trace_id}-{self.engine_span}-{flags}"}
        if self.state is not None:
            headers["tracestate"] = self.state
        return headers


def trace_of(headers: list[tuple[bytes, bytes]], *, sample: bool) -> Trace:
    """Return the trace that a request belongs to: its caller's, or a new one.

    Args:
        sample: whether to export it if the caller has not decided that.
    """
    found = [value for name, value in headers if name == b"traceparent"]
    parent = _TRACEPARENT.fullmatch(found[0]) if len(found) == 1 else None
    chance = os.urandom(32).hex()
    request_span, engine_span = chance[32:48], chance[48:]
    if parent is None or parent[1] == b"0" * 32 or parent[2] == b"0" * 16:
        return Trace(chance[:32], request_span, engine_span, None, sample)
    states = [value for name, value in headers if name == b"tracestate"]
    state = b",".join(states).decode("latin-1")
    return Trace(
        parent[1].decode(),
        request_span,
        engine_span,
        parent[2].decode(),
        bool(int(parent[3], 16) & 1),
        state if len(state) <= _MAX_STATE and _STATE.fullmatch(state) else None,
    )
