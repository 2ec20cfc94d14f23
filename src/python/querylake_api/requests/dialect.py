"""The client protocols, of which each words errors in its own way."""

# compiled: runs for each request.

from __future__ import annotations

from typing import Literal

Dialect = Literal["openai", "responses", "anthropic"]
