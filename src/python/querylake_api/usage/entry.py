"""A request's record as the spool and the database keep it."""

# compiled: runs for each request.

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from itertools import count
from typing import Final

import orjson

from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import EngineAttempts, RequestRecord, Workload

_LAST_DIGITS: Final = tuple(f"{number:02x}" for number in range(256))


class EntryIds:
    """Ids that no other process and no other time will give again, for less than a system call.

    UUIDs of version 8 (RFC 9562, section 5.8): when this source began, in milliseconds; 32 random
    bits; a counter. They grow, so an index takes them at its end. Nothing relies on the clock: two
    sources that began in the same millisecond still differ by their random bits.
    """

    def __init__(self) -> None:
        began = f"{time.time_ns() // 1_000_000:012x}"[-12:]
        chance = os.urandom(4).hex()
        self.source = f"{began[:8]}-{began[8:]}-8{chance[:3]}-8{chance[3:6]}-{chance[6:]}"
        self._made = self._make()

    def next(self) -> str:
        """Return a new id."""
        return next(self._made)

    def _make(self) -> Iterator[str]:
        # Most of a number is written once for many.
        for most in count():
            begin = f"{self.source}{most:08x}"
            for last in _LAST_DIGITS:
                yield begin + last


def begin_entry(
    entry_id: str, identity: RequestIdentity, workload: Workload, engines: EngineAttempts
) -> bytes:
    """Return what is known of a request when it goes to an engine."""
    return orjson.dumps(
        {
            "id": entry_id,
            "began_at": identity.began_at,
            "request_id": identity.request_id,
            "route": workload.route,
            "key_id": workload.key_id,
            "model": workload.model,
            "upstream": engines.upstream,
            "assigned_stack": engines.assigned_stack,
            "stack": engines.stack,
            "streamed": workload.streamed,
            "attempts": engines.count,
            "queued_seconds": round(engines.queued_seconds, 6),
        }
    )


def end_entry(entry_id: str, record: RequestRecord, begun: bytes | None = None) -> bytes:
    """Return what is known of a request at its end.

    Args:
        begun: what `begin_entry` has said of it last, if it has: that is still so.
    """
    begun = begun or begin_entry(entry_id, record.identity, record.workload, record.engines)
    end = orjson.dumps(
        {
            "status": record.ending.status,
            "outcome": record.ending.outcome,
            "error_code": record.ending.error_code,
            "ending": record.content.ending,
            "prompt_tokens": record.content.prompt_tokens,
            "completion_tokens": record.content.completion_tokens,
            "content_chunks": record.content.chunks,
            "first_token_seconds": record.timing.first_token,
            "gap_p95_seconds": record.timing.gap_p95,
            "seconds": record.timing.duration,
        }
    )
    return b"%b,%b" % (begun[:-1], end[1:])


def lost_entry(begin: bytes) -> bytes:
    """Return the record of a request whose process was killed before its end."""
    return orjson.dumps({**orjson.loads(begin), "status": 0, "outcome": "lost_in_crash"})


def id_of(entry: bytes) -> str:
    """Return the id that an entry begins with."""
    # {"id":"...", as written above.
    return entry[7:43].decode("ascii")
