"""What a rollout counts of a request: all that a user suffers and the other arm can suffer too.

One of the readers of what a request met; see `llm_provider.attempt_outcome`. What the ledger notes
and what the breaker hears are other questions.
"""

# compiled: runs for each request.

from __future__ import annotations

from typing import Final, Literal

from querylake_api.requests.record import RequestRecord, Workload
from querylake_api.settings import Role
from rollout_statistics.outcomes import Ending, Kind
from rollout_statistics.running_quantile import bucket_of

_BANDS: Final = (2_000, 16_000, 128_000)
"""Edges between sizes of requests, in bytes. Tokens would not do: only a success has them, and what
follows from the outcome must not decide whom it is compared with."""

_QUEUE: Final = frozenset({"queue_full", "queue_timeout"})
"""Each stack has a queue of its own, so a slow one refuses more."""

_ENGINES_WORD: Final = frozenset({"rejected_by_engine", "not_offered_by_engine"})

_FAILURES: Final = frozenset({"upstream_error", "truncated", "in_band_error"})

_TOOLS: Final = frozenset({"tool_calls", "function_call", "tool_use"})
_STOPS: Final = frozenset({"stop", "end_turn", "stop_sequence"})
_CUT: Final = frozenset({"length", "max_tokens"})


def kind_of(record: RequestRecord, key: str) -> Kind | None:
    """Return what counts of a request that has ended; None if it says nothing of its stack.

    Args:
        key: whose it is; empty if each request is drawn by itself.
    """
    ending = _ending(record)
    if ending is None:
        return None
    answered = ending == "answered"
    content = record.content
    reason = content.finish_reason or ""
    longest = None if record.timing.gaps is None else record.timing.gaps.quantile(1.0)
    return Kind(
        arm_of(record.engines.stack),
        stratum(record.workload),
        key,
        ending,
        _bucket(_response(record, ending)),
        _bucket(record.timing.gap_p95),
        _bucket(longest),
        answered and (content.empty is True or content.loops is True or reason in _CUT),
        _finish(reason) if answered else "",
        answered and record.engines.failed > 0,
    )


def waiting(workload: Workload, stack: str, key: str, seconds: float) -> Kind:
    """Return what counts of a request that has waited for a while and not ended."""
    return Kind(arm_of(stack), stratum(workload), key, "waiting", bucket_of(seconds))


def arm_of(stack: str) -> Role:
    """Return the arm that a stack is."""
    return "candidate" if stack == "candidate" else "stable"


def stratum(workload: Workload) -> str:
    """Return the name of the stratum that a request belongs to."""
    band = sum(workload.request_bytes > edge for edge in _BANDS)
    return f"{workload.route}{' stream' if workload.streamed else ''} size {band}"


def _ending(record: RequestRecord) -> Ending | None:
    outcome, code = record.ending.outcome, record.ending.error_code
    if outcome == "success":
        return "answered"
    if outcome in _FAILURES:
        return "failed"
    if outcome == "client_abort":
        return "abandoned"
    if code in _QUEUE:
        return "refused"
    if code in _ENGINES_WORD:
        # An engine that has no room says 429. No client did anything wrong.
        return "failed" if record.ending.status == 429 else "rejected"
    return None


def _response(record: RequestRecord, ending: Ending) -> float | None:
    """Return the seconds to the first token, to the whole response, or waited until now."""
    if record.timing.first_token is not None:
        return record.timing.first_token
    if ending == "answered" and record.workload.streamed:
        return None
    return record.timing.duration or None


def _finish(reason: str) -> Literal["", "stop", "tool"]:
    if reason in _TOOLS:
        return "tool"
    return "stop" if reason in _STOPS else ""


def _bucket(seconds: float | None) -> int | None:
    return None if seconds is None else bucket_of(seconds)
