"""Reading the gates: GitHub's task lists, whatever the text, and ids that stay."""

from __future__ import annotations

from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from upgrade_gates.checklist import Gate, read_gates

USERS_DOCUMENT = Path("docs/deps_upgrade/UPGRADE_GATES.md")

ANY_LINES = st.lists(
    st.sampled_from(
        [
            "# Plan",
            "## Gate 0 — Choose",
            "## Gate 1",
            "### A section",
            "- [ ] do it",
            "- [x] done ",
            "  - [ ] within",
            "\t- [X] by tab",
            "1. [ ] numbered",
            "- no box",
            "  more of it",
            "```",
            "~~~~ text",
            "<!-- gone",
            "-->",
            "",
        ]
    )
    | st.text(max_size=30)
).map("\n".join)

CHECKLIST = st.lists(
    st.sampled_from(
        ["## Gate 0 - A", "## Gate 3 - B", "### Part", "- [ ] a", "- [x] b", "  - [ ] c", "* d"]
    ),
    max_size=20,
)

UNRELATED = st.sampled_from(
    ["", "Some prose.", "**Done when:** it is.", "---", "```\n- [ ] a\n```", "<!-- - [ ] a -->"]
)


def ids(document: str) -> list[str]:
    return [line.id for gate in read_gates(document) for line in gate.lines]


def only_gate(document: str) -> Gate:
    (gate,) = read_gates(document)
    return gate


@settings(deadline=None)
@given(st.text() | ANY_LINES)
def test_any_text_is_read_and_no_two_lines_share_an_id(document: str) -> None:
    found = ids(document)
    assert len(found) == len(set(found))


@settings(deadline=None)
@given(CHECKLIST, UNRELATED, st.data())
def test_ids_stay_when_something_else_is_written(
    lines: list[str], unrelated: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(lines)))
    changed = [*lines[:place], unrelated, *lines[place:]]
    assert ids("\n".join(changed)) == ids("\n".join(lines))


@settings(deadline=None)
@given(CHECKLIST, st.data())
def test_a_new_line_changes_no_other(lines: list[str], data: st.DataObject) -> None:
    before = ["## Gate 0 - A", "- [ ] first", *lines]
    place = data.draw(st.integers(2, len(before)))
    after = [*before[:place], "- [ ] quite new", *before[place:]]
    # What stands deeper right after it would be its child; then the section really is another.
    assume(not "".join(before[place : place + 1]).startswith(" "))
    new = ids("\n".join(after))
    old = ids("\n".join(before))
    assert len(new) == len(old) + 1
    assert set(old) < set(new)


@settings(deadline=None)
@given(CHECKLIST)
def test_ticking_a_box_changes_no_id(lines: list[str]) -> None:
    document = "\n".join(lines)
    ticked = document.replace("[ ]", "[x]")
    assert ids(ticked) == ids(document)
    assert all(line.ticked for gate in read_gates(ticked) for line in gate.lines)


def test_gates_lines_and_sections() -> None:
    gate = only_gate("""
- [ ] before any gate
## Gate 12: Serve   it ##
- [ ] Validate
      endpoints:
  - [x] `GET /v1/models`
  * plain
    1. [ ] numbered
- [ ] after
### Baseline
+ [X] numbers
## Notes
- [ ] after the gate
""")
    assert (gate.number, gate.title) == (12, "Serve it")
    assert [(line.section, line.text, line.ticked) for line in gate.lines] == [
        ((), "Validate endpoints:", False),
        (("Validate endpoints:",), "`GET /v1/models`", True),
        (("Validate endpoints:", "plain"), "numbered", False),
        ((), "after", False),
        (("Baseline",), "numbers", True),
    ]


def test_code_comments_and_near_misses_are_no_lines() -> None:
    gate = only_gate("""## Gate 1

    - [ ] indented code

```markdown
- [ ] fenced
~~~
- [ ] still fenced
```
<!--
- [ ] commented out
-->
- [] no space
- [y] no tick
- [ ]glued
- [ ] real
""")
    assert [line.text for line in gate.lines] == ["real"]


def test_the_same_line_twice_is_told_apart_within_and_between_gates() -> None:
    assert len(set(ids("# Gate 1\n- [ ] a\n- [ ] a\n# Gate 1\n- [ ] a\n# Gate 2\n- [ ] a"))) == 4


def test_a_long_line_is_read_at_once() -> None:
    blank = " " * 200_000
    assert ids(f"## Gate 1\n#{blank}x{blank}\n-{blank}\n{blank}-{blank}[ ]{blank}") == []


def test_the_document_of_this_repository() -> None:
    gates = read_gates(USERS_DOCUMENT.read_text(encoding="utf-8"))
    assert [gate.number for gate in gates] == [0, 1, 2, 3, 4, 5, 6, 7]
    boxes = [len(gate.lines) for gate in gates]
    assert boxes == [7, 6, 7, 9, 10, 4, 8, 3]
    ticked = [line.text for gate in gates for line in gate.lines if line.ticked]
    assert len(ticked) == 5
    assert gates[0].title == "Choose matrix + schedule downtime"
    driver = gates[1].lines[-1]
    assert driver.section == ("Validate:",)
    assert driver.text == "A trivial torch CUDA check succeeds (in any clean env)"
