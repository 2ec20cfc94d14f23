"""Running commands in this process, as an operator would run them."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""Runs a command and returns its exit code and what it printed, on both streams."""
