"""What can be wrong with a lock."""

from __future__ import annotations


class LockError(Exception):
    """Root: the message says which lock, what is wrong, and which command mends it."""


class UnknownLock(LockError):
    """No `.in` file of that name."""


class ResolveFailed(LockError):
    """uv found no set of versions, or could not reach the package index."""


class LockDrifted(LockError):
    """The lock is not what its `.in` file and as-of date resolve to."""


class NotInstallable(LockError):
    """The locked distributions cannot be installed, or do not agree with each other."""
