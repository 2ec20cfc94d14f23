"""What the ledger keeps of a request. Its fields are declared here, and nowhere else.

The table (`usage.table`), the insertion of entries and the API's answers follow from it. A new
field takes a line here, one in `usage.entry` that says where its value comes from, and a migration.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import BigInteger

Tokens = Annotated[int, BigInteger()]
"""Engines report what they like; more than 64 bits counts as the largest number of them."""


class UsageRecord(BaseModel):
    """One request.

    Attributes:
        assigned_stack: what the request was given to; `stack` is where the answer came from.
        attempts: engines that it was sent to.
        outcome: `lost_in_crash` if its process was killed before it ended.
        ending: of a stream.
        content_chunks: pieces of a stream that brought content.
        queued_seconds: it waited for a place.
        first_token_seconds: from the request's head to the first piece of a stream with content.
        gap_p95_seconds: 95 of 100 pauses between pieces were no longer.
        seconds: from the request's head to the response's last byte.
    """

    id: UUID
    began_at: datetime
    request_id: str
    route: str
    key_id: str
    model: str
    upstream: str
    assigned_stack: str
    stack: str
    streamed: bool
    attempts: int
    status: int
    outcome: str
    error_code: str | None
    ending: str | None
    prompt_tokens: Tokens | None
    completion_tokens: Tokens | None
    content_chunks: int
    queued_seconds: float
    first_token_seconds: float | None
    gap_p95_seconds: float | None
    seconds: float | None
