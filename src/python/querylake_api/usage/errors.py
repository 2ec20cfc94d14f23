"""What can keep the ledger from its work."""

from __future__ import annotations

import os
from pathlib import Path

from querylake_api.errors import OperatorError


class SpoolUnusable(OperatorError):
    """The spool cannot be made."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(
            f"server.state_dir: usage records cannot be kept in {folder}: "
            f"{os.strerror(error.errno or 0)}; free space there, or name another folder"
        )
