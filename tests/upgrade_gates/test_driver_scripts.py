"""What both scripts are written from; what they do is in `upgrade_gates_hosts`."""

from __future__ import annotations

import datetime
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from upgrade_gates.context import Window
from upgrade_gates.driver.change import Change, parse_simulation
from upgrade_gates.driver.plan import DriverPlan
from upgrade_gates.driver.script import rollback_script, upgrade_script
from upgrade_gates.host.secure_boot import SecureBoot
from upgrade_gates_testing.hosts import KERNEL

NOW = datetime.datetime.now(datetime.UTC)
OPEN_WINDOW = Window(start=NOW - datetime.timedelta(hours=1), end=NOW + datetime.timedelta(hours=9))

VERSIONS = st.none() | st.from_regex(r"[0-9]{1,3}:?[0-9][0-9.~+-]{0,8}", fullmatch=True)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9+.-]{1,12}", fullmatch=True)
CHANGES = st.dictionaries(
    NAMES, st.tuples(VERSIONS, VERSIONS).filter(lambda each: each[0] != each[1]), min_size=1
).map(
    lambda found: tuple(
        Change(name=name, before=before, after=after) for name, (before, after) in found.items()
    )
)


@settings(deadline=None)
@given(CHANGES, st.text(max_size=20))
def test_both_scripts_name_the_same_packages(changes: tuple[Change, ...], owner: str) -> None:
    plan = DriverPlan(
        plan_id="p",
        made_at=NOW,
        host="gpu1",
        machine="0" * 64,
        boot_id=None,
        kernel=KERNEL,
        matrix="A",
        owner=owner.replace("\0", ""),
        window=OPEN_WINDOW,
        driver_before="535.183.01",
        driver_after="580.95.05",
        gpus=1,
        selection=(),
        changes=changes,
        held_before=(),
        hold_after=(),
        services=(),
        others=(),
        secure_boot=SecureBoot.DISABLED,
        modules="dkms",
    )
    there, back = _changes(upgrade_script(plan)), _changes(rollback_script(plan))
    assert there == {each.name: (each.before or "-", each.after or "-") for each in changes}
    assert back == {name: (after, before) for name, (before, after) in there.items()}
    assert tuple(each.reversed for each in plan.reversed) == plan.changes


def _changes(script: str) -> dict[str, tuple[str, str]]:
    """Return the packages that a script names, with both versions."""
    listed = re.search(r"^changes=\(\n(.*?)^\)$", script, re.MULTILINE | re.DOTALL)
    assert listed is not None
    rows = (line.strip().strip("'").split(" ") for line in listed[1].splitlines())
    return {name: (before, after) for name, before, after in rows}


def test_what_apt_announces() -> None:
    text = (
        "NOTE: This is only a simulation!\n"
        "Remv nvidia-utils-535 [535.183.01-0ubuntu1] [nvidia-driver-535:amd64 ]\n"
        "Inst libdrm2 [2.4.120-2] (2.4.122-1 Ubuntu:24.04/noble-updates [amd64]) []\n"
        "Inst nvidia-utils-580 (580.95.05-0ubuntu1 Ubuntu:24.04/noble-updates, "
        "Ubuntu:24.04/noble-security [amd64])\n"
        "Inst libdrm2:i386 [2.4.120-2] (2.4.122-1 Ubuntu:24.04/noble-updates [i386])\n"
        "Conf libdrm2 (2.4.122-1 Ubuntu:24.04/noble-updates [amd64])\n"
        "Purg old-thing [1:2.0]\n"
    )
    assert [each.words for each in parse_simulation(text)] == [
        "libdrm2 2.4.120-2 2.4.122-1",
        "libdrm2:i386 2.4.120-2 2.4.122-1",
        "nvidia-utils-535 535.183.01-0ubuntu1 -",
        "nvidia-utils-580 - 580.95.05-0ubuntu1",
        "old-thing 1:2.0 -",
    ]


@settings(deadline=None)
@given(
    st.text()
    | st.lists(st.sampled_from(["Inst a (1)", "Remv a [1]", "Inst a [1] (2 x)"])).map("\n".join)
)
def test_any_announcement_is_understood_somehow(text: str) -> None:
    for change in parse_simulation(text):
        assert change.before != change.after
