"""What can keep workers from running."""

from __future__ import annotations

from pathlib import Path

from querylake_api.errors import OperatorError


class StateFolderUnusable(OperatorError):
    """The folder that workers share cannot be made, or is not ours alone."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"server.state_dir: {folder} cannot be used: {reason}; "
            "give it to the user that runs QueryLake, or name another folder"
        )


class TooManyWorkers(OperatorError):
    """Every number of the state folder is taken by a living process."""

    def __init__(self, folder: Path, limit: int) -> None:
        super().__init__(
            f"server.state_dir: {limit} processes already share {folder}, which is the most; "
            "stop some, or name another folder"
        )


class WorkerFailed(OperatorError):
    """A worker could not start, and would not if it were tried again."""

    def __init__(self, reason: str, exit_code: int) -> None:
        super().__init__(reason)
        self.exit_code = exit_code
