"""Whether a document is an error, what status it amounts to, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_provider.engine_errors import (
    CORE_DIED,
    error_in,
    error_in_event,
    field_in,
    reason_in,
    status_of,
)
from llm_provider.retry_after import retry_after_seconds

_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "code", "type", "detail", "loc", "choices", "response", "errors"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["error", "object", "type", "choices", "detail", "response", "message", "code"]
        ),
        _values,
    )
)
def test_no_document_is_too_odd(document: dict[str, Any]) -> None:
    reason_in(document)
    field_in(document)
    error_in_event(document)
    error = error_in(document)
    if error is not None:
        assert 400 <= status_of(error) < 600
        reason_in(error)


@pytest.mark.parametrize(
    "document",
    [
        {"error": None},
        {"error": {}},
        {"error": ""},
        {"error": {"message": None, "code": None}},
        {"choices": [{"message": {}}], "error": None},
        {"choices": [{"error": None}]},
        {"choices": [{"error": {"message": "x"}}, {"delta": {}}]},
        {"message": "an answer of some kind", "content": []},
        {"type": "message_start", "message": {"error": None}},
        {"type": "response.failed"},
        {"detail": None},
        {},
    ],
)
def test_what_is_no_error(document: dict[str, Any]) -> None:
    assert error_in_event(document) is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 400}, 400),
        ({"code": "429"}, 429),
        ({"status": 503}, 503),
        ({"http_status_code": 422}, 422),
        ({"code": 529}, 503),
        ({"code": 200, "type": "invalid_request_error"}, 400),
        ({"code": "context_length_exceeded"}, 400),
        ({"type": "BadRequestError"}, 400),
        ({"status": "INVALID_ARGUMENT"}, 400),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"code": "insufficient_quota"}, 429),
        ({"code": "invalid_api_key"}, 401),
        ({"type": "permission_error"}, 403),
        ({"type": "NotFoundError"}, 404),
        ({"type": "overloaded_error"}, 503),
        ({"type": "unavailable_error"}, 503),
        ({"type": "not_supported_error"}, 501),
        ({"type": "InternalServerError"}, 500),
        ({"error_type": "generation"}, 500),
        ({"message": "x"}, 500),
        ({"message": f"{CORE_DIED}. See above.", "code": 400}, 500),
    ],
)
def test_statuses(error: dict[str, Any], status: int) -> None:
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"detail": [{"loc": ["body", "a", 0], "msg": "x"}, {"msg": "y"}]}, "a.0: x; y"),
        ({"detail": {"message": "x"}}, "x"),
        ({"detail": "x"}, "x"),
        ({"error": {"message": {"text": "x"}}}, "x"),
        ([{"error": {"message": "x"}}], "x"),
        ({"title": "x", "status": 400}, "x"),
        ({"detail": {}}, ""),
        (5, ""),
    ],
)
def test_reasons(document: Any, reason: str) -> None:
    assert reason_in(document) == reason


def test_when_to_come_back_in_both_forms() -> None:
    assert retry_after_seconds("7") == 7
    assert retry_after_seconds("-7") == 0
    assert retry_after_seconds("nan") == 1
    assert retry_after_seconds("soon") == 1
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after_seconds("Wed, 21 Oct 2037 07:28:00 GMT") > 1e6
