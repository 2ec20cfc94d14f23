"""Who sent a request and when: what is known of it the moment it arrives."""

# compiled: runs for each request.

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from typing import Final

from querylake_api.requests.redaction import looks_like_key
from querylake_api.requests.trace_context import Trace

_SANE_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

# Plain classes with `Final` attributes here and in `record`: what makes frozen dataclasses would
# not be compiled, and sets each attribute by a call.


class RequestIdentity:
    """One request, as it arrived.

    Attributes:
        path: without what may be a key.
        started_at: when its head was read, in `perf_counter` seconds.
        began_at: the same, in Unix seconds. A clock may be set; what lasts is measured with
            `perf_counter`.
        entry_id: its id in the ledger, if other processes may get it too.
        replayed: whether a Ray replica that had it has died, so that it was admitted before.
        trace: where it stands in a distributed trace; None if nobody traces.
    """

    __slots__ = (
        "began_at",
        "entry_id",
        "method",
        "path",
        "replayed",
        "request_id",
        "started_at",
        "trace",
    )

    def __init__(
        self,
        request_id: str,
        method: str,
        path: str,
        *,
        entry_id: str | None = None,
        replayed: bool = False,
        trace: Trace | None = None,
        began_at: float | None = None,
        started_at: float | None = None,
    ) -> None:
        self.request_id: Final = request_id
        self.method: Final = method
        self.path: Final = path
        self.entry_id: Final = entry_id
        self.replayed: Final = replayed
        self.trace: Final = trace
        self.began_at: Final = time.time() if began_at is None else began_at
        self.started_at: Final = time.perf_counter() if started_at is None else started_at


def new_request_ids() -> Iterator[str]:
    """Yield ids of 96 random bits, for a fraction of a system call each.

    Not to be begun before a process forks: both would go on with the same ids.
    """
    while True:
        chance = os.urandom(12 * 256).hex()
        for start in range(0, len(chance), 24):
            yield f"req_{chance[start : start + 24]}"


def own_request_id(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return the caller's own request id if there is one that is sane, and no key by mistake."""
    value = dict(headers).get(b"x-request-id")
    if value is None or not _SANE_ID.fullmatch(value):
        return None
    own = value.decode("ascii")
    return None if looks_like_key(own) else own
