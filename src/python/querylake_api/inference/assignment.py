"""Which of a model's two stacks a request belongs to. Asked once for each request."""

from __future__ import annotations

from typing import Protocol

from querylake_api.inference.catalog import Model
from querylake_api.keys.models import ApiKey
from querylake_api.settings import Role


class Assignment(Protocol):
    """Splits traffic between stacks. On the path of every request: no I/O, and no exceptions."""

    def stack_for(self, model: Model, key: ApiKey, request_id: str) -> Role:
        """Return the stack for a request. A model without candidates is served by `stable` all the
        same."""
        ...
