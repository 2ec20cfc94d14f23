"""How often the keys are looked up in the database."""

from __future__ import annotations

import pytest

from querylake_api.keys.repository import KeyRepository, KeysVersion


class KeyLooks:
    """Counts the looks that have begun.

    Attributes:
        begun: so far.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        version = KeyRepository.version

        async def counted(repository: KeyRepository) -> KeysVersion:
            self.begun += 1
            return await version(repository)

        monkeypatch.setattr(KeyRepository, "version", counted)
