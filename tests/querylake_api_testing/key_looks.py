"""How often the keys are looked up in the database."""

from __future__ import annotations

import pytest

from querylake_api.keys.repository import KeyRepository


class KeyLooks:
    """Counts the looks that have begun.

    Attributes:
        begun: so far.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        generation = KeyRepository.generation

        async def counted(repository: KeyRepository) -> int:
            self.begun += 1
            return await generation(repository)

        monkeypatch.setattr(KeyRepository, "generation", counted)
