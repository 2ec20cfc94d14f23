"""The package's error tree. Every message is a sentence for the person at the terminal."""

from __future__ import annotations


class RuntimeCommandError(Exception):
    """Root of everything this package raises on purpose.

    Attributes:
        exit_code: what the process ends with (sysexits.h).
    """

    exit_code = 1


class ConfigurationError(RuntimeCommandError):
    """A file or an argument is wrong, so starting again will not help."""

    exit_code = 78


class LockUnreadable(ConfigurationError):
    """A lock file cannot be read, or does not pin what is asked of it."""


class ProfileInvalid(ConfigurationError):
    """A profile file cannot be read, lacks the profile, or contradicts itself."""


class ArgumentRefused(ConfigurationError):
    """An engine argument that this program sets itself, or that would show a secret."""


class ModelMissing(ConfigurationError):
    """The model is named as a path and nothing is there."""


class PortUnavailable(RuntimeCommandError):
    """A port is taken, or may not be used."""

    exit_code = 69


class AlreadySupervised(RuntimeCommandError):
    """Another supervisor runs an engine on this port."""

    exit_code = 69


class StateFolderUnusable(RuntimeCommandError):
    """The folder of what outlives a supervisor cannot be used."""

    exit_code = 73


class EngineNotStarted(RuntimeCommandError):
    """The operating system refuses to start the engine's process."""

    exit_code = 69
