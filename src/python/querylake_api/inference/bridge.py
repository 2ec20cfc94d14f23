"""What an engine's answer goes over where it names its fields in another way than its caller."""

# interpreted: a protocol, of which nothing is run.

from __future__ import annotations

from typing import Protocol

from querylake_api.http_server.exchange import Headers
from querylake_api.inference.answer import Answer


class Bridge(Protocol):
    """The way back of one bridged request."""

    @property
    def headers(self) -> Headers:
        """What its response tells of it."""
        ...

    def over(self, answer: Answer) -> Answer:
        """Return an answer with the names that the caller reads."""
        ...
