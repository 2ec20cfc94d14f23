"""Gates 0 and 1 on every kind of host, with the real apt and dpkg, there and all the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from upgrade_gates_testing.bench.debs import DebStore
from upgrade_gates_testing.bench.kinds import KINDS, Kind
from upgrade_gates_testing.bench.table import as_table
from upgrade_gates_testing.bench.walk import Walk

DOCUMENT = Path("docs/deps_upgrade/HOST_BENCH.md")
NAMES = [kind.name for kind in KINDS]


@pytest.fixture(scope="module")
def walked(store: DebStore, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Kind], Walk]:
    """Walks each kind once."""
    done: dict[str, Walk] = {}

    def walk_once(kind: Kind) -> Walk:
        if kind.name not in done:
            done[kind.name] = kind.make(tmp_path_factory.mktemp("kind"), store)
        return done[kind.name]

    return walk_once


@pytest.mark.parametrize("kind", KINDS, ids=NAMES)
def test_each_kind_gets_as_far_as_it_must(kind: Kind, walked: Callable[[Kind], Walk]) -> None:
    """After a dry run and a rollback, `walk` compares the whole host with what it was before."""
    steps = walked(kind).steps
    for name, step in steps.items():
        if name in kind.ends:
            assert not step.ok, f"{name} ended well"
            assert kind.ends[name] in step.said
        else:
            assert step.ok, f"{name}: {step.said}"
    assert set(kind.ends) <= set(steps)


def test_the_document_shows_this_matrix(walked: Callable[[Kind], Walk]) -> None:
    table = as_table({kind.name: walked(kind) for kind in KINDS}, KINDS)
    shown = DOCUMENT.read_text(encoding="utf-8")
    assert table in shown, f"put this into {DOCUMENT}:\n{table}"
