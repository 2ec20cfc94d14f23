"""A stop that was asked for, and how it comes about without losing a request.

vLLM does not do this itself: on SIGTERM it lets streams hang. So it is told last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from vllm_runtime.engine_run import EngineRun
from vllm_runtime.limits import Limits
from vllm_runtime.run_folder import RunFolder


class Drain:
    """First notice is given, then new requests are refused, then those in flight finish.

    Attributes:
        now: nothing is waited for any more.
    """

    def __init__(self, limits: Limits, folder: RunFolder, say: Callable[[str], None]) -> None:
        """Prepare; nobody has asked yet.

        Args:
            folder: holds the file that closes the engine's gate.
            say: takes sentences.
        """
        self.now = False
        self._limits = limits
        self._folder = folder
        self._say = say
        self._asked_at: float | None = None
        self._closed = False

    @property
    def asked(self) -> bool:
        """Somebody has said stop."""
        return self._asked_at is not None

    def ask(self, *, now: bool) -> None:
        """Note that somebody says stop; `now` if there is nothing to wait for."""
        self.now = self.now or now
        if self._asked_at is None:
            self._asked_at = time.monotonic()

    def over(self, run: EngineRun) -> bool:
        """Whether the engine can be ended. Called after every look at it."""
        if self.now:
            return True
        if self._asked_at is None:
            return False
        waited = time.monotonic() - self._asked_at
        if waited < self._limits.drain_notice:
            return False
        if not self._closed:
            self._close(run)
            return False
        if run.idle:
            self._say("drained: no request is left")
            return True
        if waited < self._limits.drain_notice + self._limits.drain:
            return False
        left = run.metrics.running + run.metrics.waiting if run.metrics else "an unknown number of"
        self._say(f"not drained after {waited:.0f} s: {left} requests are cut off")
        return True

    def _close(self, run: EngineRun) -> None:
        self._folder.close_gate()
        self._closed = True
        # Being idle up to now says nothing: a request may have come in just before.
        run.expect_requests()
        self._say("closed: new requests are refused")
