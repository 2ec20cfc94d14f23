"""Records of finished requests, made from the few things that a test is about."""

from __future__ import annotations

from llm_provider.observer import Ending
from querylake_api.requests.gaps import Gaps
from querylake_api.requests.identity import RequestIdentity
from querylake_api.requests.record import (
    EngineAttempts,
    Outcome,
    Progress,
    RequestRecord,
    ResponseContent,
    ResponseEnding,
    Timing,
    Workload,
)


def finished_request(
    outcome: Outcome = "success",
    *,
    identity: RequestIdentity | None = None,
    request_id: str = "req_1",
    began_at: float | None = None,
    route: str = "/v1/x",
    key_id: str | None = "key_1",
    model: str = "m",
    streamed: bool = False,
    request_bytes: int = 0,
    metered: bool = True,
    stack: str = "",
    upstream: str = "",
    attempts: int = 0,
    failed_attempts: int = 0,
    entry_id: str | None = None,
    queued_seconds: float = 0.0,
    prompt_tokens: int | None = None,
    completion_tokens: int | None = None,
    content_chunks: int = 0,
    ending: Ending | None = None,
    finish_reason: str | None = None,
    empty: bool | None = None,
    loops: bool | None = None,
    status: int = 200,
    error_code: str | None = None,
    seconds: float = 0.0,
    first_token_seconds: float | None = None,
    gaps: Gaps | None = None,
) -> RequestRecord:
    """Return the record of a request that began a moment ago, or when `identity` says."""
    identity = identity or RequestIdentity(request_id, "POST", route, began_at=began_at)
    progress = Progress()
    progress.gaps = gaps
    if first_token_seconds is not None:
        progress.first_token_at = identity.started_at + first_token_seconds
    return RequestRecord(
        identity,
        Workload(route, key_id, model, streamed, request_bytes, metered),
        EngineAttempts(
            *(stack, stack, upstream, attempts, queued_seconds, None, entry_id, failed_attempts)
        ),
        ResponseContent(
            prompt_tokens, completion_tokens, content_chunks, ending, finish_reason, empty, loops
        ),
        ResponseEnding(status, outcome, error_code),
        Timing(identity.started_at, identity.started_at + seconds, progress),
    )
