"""The operator's page in a real browser, by keyboard, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from querylake_api_testing.browser import Page, browser_page, chromium
from querylake_api_testing.rollout_stage import Stage, every, refused, rollout_stage
from waiting_testing.waiting import PATIENCE

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium here; Debian's package `chromium` is enough"
)

SHOTS = os.environ.get("QUERYLAKE_TEST_SHOTS")
"""A folder for pictures of the page, for whoever wants to look at it."""


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with rollout_stage(tmp_path, database_url) as running:
        yield running


@asynccontextmanager
async def rollouts_page(stage: Stage, folder: Path) -> AsyncIterator[Page]:
    """Open the page with an admin key, which is asked for first."""
    async with browser_page(f"{stage.api.url}/ui/rollouts", folder) as page:
        await page.until("document.activeElement?.id === 'key'")
        await page.type("sk-wrong")
        await page.key("Enter")
        await page.until("document.querySelector('#login-error').textContent.length > 0")
        page.complaints.clear()  # the browser tells of the 401
        await page.type(stage.api.admin_key)
        await page.key("Enter")
        await page.until("document.querySelectorAll('#list button').length > 0")
        yield page
        assert page.complaints == []


async def looks_right(page: Page, name: str) -> None:
    """See that everything has room on a desk and on a phone, and take pictures."""
    for width, screen in ((1280, "desk"), (390, "phone")):
        for dark in (False, True):
            shot = f"{name}-{screen}-{'dark' if dark else 'light'}.png"
            await page.look(width, dark=dark, path=Path(SHOTS) / shot if SHOTS else None)
            wide = await page.run("document.documentElement.scrollWidth")
            assert wide <= width, f"{screen}: {wide} pixels are wider than the screen"


async def ask_for(page: Page, action: str) -> None:
    """Press an action's button, and wait for the question that comes before it is done."""
    await page.run(f"document.querySelector('#do-{action}').focus()")
    await page.key("Enter")
    await page.until("document.querySelector('#confirm')?.open")
    assert await page.run("document.activeElement.id") == "reason"


async def say_no(page: Page, action: str) -> None:
    """Press `Cancel`, and see that one is where one was."""
    await page.run("document.querySelector('#confirm-no').focus()")
    await page.key("Enter")
    await page.until("!document.querySelector('#confirm')?.open")
    await page.until(f"document.activeElement.id === 'do-{action}'")


async def test_an_operator_follows_and_stops_a_rollout(stage: Stage, tmp_path: Path) -> None:
    stage.new.script = every(3, refused)
    async with stage.load():
        failed = await stage.started()
        await stage.flipped(failed, await stage.event(failed, "rolled_back"))
    stage.new.script = every(10**9, refused)
    steps = [{"percent": 10}, {"percent": 25, "bake_seconds": 900}, {"percent": 50}]
    async with stage.load(), rollouts_page(stage, tmp_path / "browser") as page:
        running = await stage.started(steps=steps)
        await page.until("document.querySelectorAll('#list button').length === 2")
        await page.run(f"document.querySelector('#pick-{running}').click()")
        await page.until("document.body.innerText.includes('left to bake')")
        await looks_right(page, "running")
        await ask_for(page, "promote")
        await page.key("Enter")
        error = "document.querySelector('#confirm-error').textContent"
        await page.until(f"{error}.includes('not through its last step')")
        page.complaints.clear()  # the browser tells of the 409
        await say_no(page, "promote")
        await ask_for(page, "rollback")
        await page.key("Escape")
        await page.until("!document.querySelector('#confirm')?.open")
        assert (await stage.admin(f"/{running}"))["status"] == "running"
        await ask_for(page, "rollback")
        await page.type("it felt wrong")
        for _ in range(2):
            await page.key("Tab")
        assert await page.run("document.activeElement.id") == "confirm-yes"
        await page.key("Enter")
        await page.until("document.body.innerText.includes('It felt wrong')")
        await looks_right(page, "rolled-back")
    assert (await stage.admin(f"/{running}"))["status"] == "rolled_back"


SIGNALS = """
    [...document.querySelectorAll('tbody tr')].map((row) => {
        const all = (selector) => [...row.querySelectorAll(selector)];
        const texts = (selector) => all(selector).map((each) => each.textContent);
        return {
            stable: texts("[data-name=Stable] > *"),
            candidate: texts("[data-name=Candidate] > *"),
            intervals: texts("[data-name=Intervals] .hint"),
            word: texts("[data-name=Verdict] .word")[0],
        };
    })
    """
DRAWN = """
    [...document.querySelectorAll('tbody tr')].map((row) =>
        [...row.querySelectorAll('svg line[stroke-width]')].map((mark) =>
            ['x1', 'x2'].map((end) => Number(mark.getAttribute(end)))))
    """
EVENTS = """
    [...document.querySelectorAll('#events li')].map((each) => ({
        at: each.querySelector('time').dateTime,
        kind: each.className,
        sentence: each.childNodes[1].textContent,
        figures: JSON.parse(each.querySelector('pre').textContent),
    }))
    """


def percent(rate: float) -> str:
    """Return a rate as the page says it."""
    digits = "0.01" if rate < 0.1 else "0.1"
    return f"{Decimal(100 * rate).quantize(Decimal(digits), ROUND_HALF_UP)}%"


def arm(figures: dict[str, Any]) -> list[str]:
    """Return what the page says of one stack, of whose keys nothing is told."""
    if not figures["requests"]:
        return ["no requests"]
    said = [percent(figures["rate"]), f"{figures['events']:,} of {figures['requests']:,}"]
    if figures["p95"] is not None:
        p95 = Decimal(1000 * figures["p95"]).quantize(Decimal(1), ROUND_HALF_UP)
        said.append(f"p95 {p95} ms")
    return said


def row(signal: dict[str, Any]) -> dict[str, Any]:
    """Return what the page says of one signal."""
    stacks = {name: signal[name] for name in ("stable", "candidate")}
    intervals = [
        f"{name} {percent(figures['low'])} to {percent(figures['high'])}"
        for name, figures in stacks.items()
        if figures["requests"]
    ]
    said = {name: arm(figures) for name, figures in stacks.items()}
    return {**said, "intervals": intervals or ["\N{EN DASH}"], "word": signal["word"]}


def drawn(signal: dict[str, Any]) -> list[Any]:
    """Return from where to where the page draws each stack's interval, and the rate in it."""
    stacks = [signal[name] for name in ("stable", "candidate")]
    width = 200 / (1.05 * max(figures["high"] for figures in stacks))
    return [
        pytest.approx([width * figures[begin], width * figures[end]])
        for figures in stacks
        for begin, end in (("low", "high"), ("rate", "rate"))
    ]


async def as_judged(stage: Stage, page: Page, rollout: str) -> list[dict[str, Any]]:
    """Wait until the page says what the API does, and return what that says of every signal."""
    signals: list[dict[str, Any]] = []
    shown = None
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while shown is None or shown != [row(signal) for signal in signals]:
                await asyncio.sleep(0.1)
                signals = (await stage.admin(f"/{rollout}"))["judgement"]["signals"]
                shown = await page.run(SIGNALS)
    assert shown == [row(signal) for signal in signals]
    return signals


async def clear(stage: Stage, rollout: str) -> None:
    """Wait until nothing that still comes in can change the verdict."""
    async with asyncio.timeout(PATIENCE):
        evidence = 0.0
        while evidence < 100:
            await asyncio.sleep(0.1)
            judgement = (await stage.admin(f"/{rollout}"))["judgement"]
            signals = [each for each in judgement["signals"] if each["candidate"]["requests"]]
            evidence = min(each["e_not_worse"] / each["e_not_worse_needed"] for each in signals)


async def test_an_operator_sees_why_and_promotes(stage: Stage, tmp_path: Path) -> None:
    for engine in (stage.old, stage.new):
        engine.script = every(25, refused)
    steps = [{"percent": share, "bake_seconds": 0} for share in (25, 50)]
    async with stage.load(stream=True):
        rollout = await stage.started(steps=steps, auto_promote=False)
        await stage.event(rollout, "held")
        await clear(stage, rollout)
    async with rollouts_page(stage, tmp_path / "browser") as page:
        signals = await as_judged(stage, page, rollout)
        assert {signal["word"] for signal in signals} <= {"not worse", "not measured"}
        assert [signal["word"] for signal in signals].count("not worse") >= 2
        assert await page.run(DRAWN) == [
            drawn(signal) if signal["stable"]["requests"] else [] for signal in signals
        ]
        events = await stage.events(rollout)
        assert {"created", "started", "advanced", "flipped", "held"} <= {e["kind"] for e in events}
        await page.until(f"document.querySelectorAll('#events li').length >= {len(events)}")
        assert await page.run(EVENTS) == [
            {name: event[name] for name in ("at", "kind", "sentence", "figures")}
            for event in reversed(events)
        ]
        await looks_right(page, "ready")

        await ask_for(page, "promote")
        assert "Promote chatty?" in await page.run("document.querySelector('#confirm').innerText")
        await page.type("not yet")
        await say_no(page, "promote")
        assert (await stage.admin(f"/{rollout}"))["status"] == "running"
        await ask_for(page, "promote")
        await page.type("it is good")
        await looks_right(page, "promote")
        await page.key("Enter")
        last = "document.querySelector('#events li.promoted')"
        await page.until(f"{last}?.innerText.includes('It is good.')")
        await looks_right(page, "promoted")
    assert (await stage.admin(f"/{rollout}"))["status"] == "promoted"
