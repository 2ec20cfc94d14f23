"""The ledger as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel

from querylake_api.usage.question import Dimension
from querylake_api.usage.record import UsageRecord

MAX_PAGE = 1000


class UsageGroup(BaseModel):
    """The sums of one group.

    Attributes:
        group: the value of each dimension.
        failures: requests that an engine or the server is to blame for, `lost_in_crash` included.
        prompt_tokens: as engines counted them.
        completion_tokens: as engines counted them.
        uncounted_chunks: pieces of streams that broke off before their usage: at least so many
            tokens more were made.
        first_token_p50: seconds, of streams.
        first_token_p95: seconds, of streams.
        seconds_p95: from the request's head to the answer's last byte.
    """

    group: dict[Dimension, str]
    requests: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    uncounted_chunks: int
    first_token_p50: float | None
    first_token_p95: float | None
    seconds_p95: float | None

    @classmethod
    def of(cls, row: dict[str, Any], dimensions: list[Dimension]) -> UsageGroup:
        """Return the group of a row."""
        group = {dimension: _shown(row[dimension.value]) for dimension in dimensions}
        return cls(group=group, **{name: row[name] for name in cls.model_fields if name in row})


class Usage(BaseModel):
    """The answer to a question about sums."""

    object: Literal["usage"] = "usage"
    start: datetime
    end: datetime
    group_by: list[Dimension]
    data: list[UsageGroup]


class UsageRecordPage(BaseModel):
    """A page of records; ask for the next one with `after` set to `last`."""

    object: Literal["list"] = "list"
    data: list[UsageRecord]
    has_more: bool
    last: str | None


def _shown(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)
