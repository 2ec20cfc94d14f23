"""The operator's page in a real browser, by keyboard, on a desk and on a phone."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from querylake_api_testing.browser import browser_page, chromium
from querylake_api_testing.rollout_stage import Stage, every, refused, rollout_stage

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium here; Debian's package `chromium` is enough"
)

SHOTS = os.environ.get("QUERYLAKE_TEST_SHOTS")
"""A folder for pictures of the page, for whoever wants to look at it."""


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with rollout_stage(tmp_path, database_url) as running:
        yield running


async def test_an_operator_follows_and_stops_a_rollout(stage: Stage, tmp_path: Path) -> None:
    stage.new.script = every(3, refused)
    async with stage.load():
        failed = await stage.started()
        await stage.flipped(failed, await stage.event(failed, "rolled_back"))
    stage.new.script = every(10**9, refused)
    steps = [{"percent": 10}, {"percent": 25, "bake_seconds": 900}, {"percent": 50}]
    async with stage.load():
        running = await stage.started(steps=steps)
        url = f"{stage.api.url}/ui/rollouts"
        async with browser_page(url, tmp_path / "browser") as page:
            await page.until("document.activeElement?.id === 'key'")
            await page.type("sk-wrong")
            await page.key("Enter")
            await page.until("document.querySelector('#login-error').textContent.length > 0")
            page.complaints.clear()  # the browser tells of the 401
            await page.type(stage.api.admin_key)
            await page.key("Enter")
            await page.until("document.querySelectorAll('#list button').length === 2")
            await page.until("document.body.innerText.includes('left to bake')")
            for width, screen in ((1280, "desk"), (390, "phone")):
                for dark in (False, True):
                    name = f"{screen}-{'dark' if dark else 'light'}.png"
                    path = Path(SHOTS) / name if SHOTS else None
                    await page.look(width, dark=dark, path=path)
                    wide = await page.run("document.documentElement.scrollWidth")
                    assert wide <= width, f"{screen}: {wide} pixels are wider than the screen"
            await page.run("document.querySelector('#do-rollback').focus()")
            await page.key("Enter")
            await page.until("document.querySelector('#confirm').open")
            assert await page.run("document.activeElement.id") == "reason"
            await page.key("Escape")
            await page.until("!document.querySelector('#confirm').open")
            assert (await stage.admin(f"/{running}"))["status"] == "running"
            await page.run("document.querySelector('#do-rollback').click()")
            await page.type("it felt wrong")
            if SHOTS:
                await page.look(390, dark=False, path=Path(SHOTS) / "confirm.png")
            for _ in range(2):
                await page.key("Tab")
            assert await page.run("document.activeElement.id") == "confirm-yes"
            await page.key("Enter")
            await page.until("document.body.innerText.includes('It felt wrong.')")
            if SHOTS:
                await page.look(1280, dark=False, path=Path(SHOTS) / "rolled-back.png")
            assert page.complaints == []
    assert (await stage.admin(f"/{running}"))["status"] == "rolled_back"


async def test_the_page_takes_nothing_from_elsewhere(stage: Stage) -> None:
    for name in ("rollouts", "rollouts.js", "rollouts.css"):
        answer = await stage.api.client.get(f"/ui/{name}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in answer.text
