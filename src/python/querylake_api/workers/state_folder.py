"""The folder in which the processes of one machine keep what they share."""

from __future__ import annotations

import os
from pathlib import Path

from querylake_api.workers.errors import StateFolderUnusable

PRIVATE = 0o700


def prepare_state_folder(folder: Path) -> None:
    """Make the folder, readable by its owner alone, or take the one that is there.

    Raises:
        StateFolderUnusable: it is no folder, somebody else's, or cannot be written.
    """
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        owner = folder.stat().st_uid
        if owner != os.geteuid():
            raise StateFolderUnusable(folder, f"it belongs to user id {owner}")
        folder.chmod(PRIVATE)
    except OSError as error:
        raise StateFolderUnusable(folder, os.strerror(error.errno or 0)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateFolderUnusable(folder, "it cannot be written")
