"""Schemathesis: requests made from our own OpenAPI document, and answers held against it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from e2e_testing.stack import Stack

CHECKS: list[CheckFunction] = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]

BOUNDED = settings(
    max_examples=5,
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

SECONDS = 60


@pytest.fixture(scope="module")
def operations(stack: Stack) -> list[Any]:
    document = schemathesis.openapi.from_url(f"{stack.url}/openapi.json", timeout=SECONDS)
    found = list(document.get_all_operations())
    assert all(isinstance(each, Ok) for each in found), found
    return [each.ok() for each in found if isinstance(each, Ok)]


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    return stack.key_for_everything()


def hold(operation: Any, key: str) -> None:
    """Send what the document allows, and more, and hold each answer against the document."""

    @BOUNDED
    @given(operation.as_strategy())
    def answers(case: Case[Any]) -> None:
        response = case.call(headers={"Authorization": f"Bearer {key}"}, timeout=SECONDS)
        case.validate_response(response, checks=CHECKS)
        if response.status_code >= 400:
            error = response.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert error["message"]

    answers()


def test_every_answer_is_one_that_the_document_describes(
    operations: list[Any], key: str, subtests: pytest.Subtests
) -> None:
    assert len(operations) > 10
    for operation in operations:
        with subtests.test(operation.label):
            hold(operation, key)
