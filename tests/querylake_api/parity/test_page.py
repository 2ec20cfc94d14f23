"""The console shows what pairs have shown: cause, and both responses side by side."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from llm_provider_testing.scripted_engine import Exchange, Script, scripted_engine
from querylake_api_testing.browser import browser_page, chromium
from querylake_api_testing.rollout_stage import GATES_HOLD, PLAN, Stage, stage_config
from querylake_api_testing.running import running_api

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium here; Debian's package `chromium` is enough"
)

DIFFERENT = "The capital is <b>Lyon</b>."
"""Markup of a model is text."""


async def test_two_clicks_from_the_rollout_both_responses_are_side_by_side(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUERYLAKE_CORPUS_KEY", base64.b64encode(bytes(32)).decode())
    async with scripted_engine() as old, scripted_engine() as new:
        config = stage_config(tmp_path, database_url, old.url, new.url, gates_command=GATES_HOLD)
        recorded = '\n[parity.corpus]\nmodels = ["chatty"]\nshare = 0.001\n'
        config.write_text(config.read_text() + recorded)
        old.script = answering(9, "The capital is Paris.")
        new.script = answering(10, DIFFERENT)
        async with running_api(config) as api:
            stage = Stage(api, old, new)
            rollout = await stage.started(
                steps=[{"percent": 0, "shadow_percent": 1, "bake_seconds": 0}],
                judging={**PLAN["judging"], "min_requests": 1000},
                parity={"percent": 100},
            )
            async with stage.load():
                await stage.event(rollout, "rolled_back")
            async with browser_page(f"{api.url}/ui/rollouts", tmp_path) as page:
                await page.until("document.activeElement?.id === 'key'")
                await page.type(api.admin_key)
                await page.key("Enter")
                await page.until("document.querySelectorAll('details[id^=example]').length > 0")
                text = await page.run("document.querySelector('#detail').textContent")
                assert "the candidate's answers are different" in text
                assert "prompt tokens" in text
                await page.run(f"document.querySelector('#pick-{rollout}').click()")
                await page.run("document.querySelector('#example-0 summary').click()")
                await page.until("document.querySelector('#example-0').open")
                marks = (
                    "[...document.querySelectorAll('#example-0 mark')].map((e) => e.textContent)"
                )
                assert await page.run(f"{marks}.join('|')") == "Paris|<b>Lyon</b>"
                for width in (1280, 390):
                    await page.look(width, dark=False, path=None)
                    assert await page.run("document.documentElement.scrollWidth") <= width
                assert page.complaints == []


def answering(prompt_tokens: int, text: str) -> Script:
    async def script(exchange: Exchange) -> None:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 2}
        await exchange.whole({"id": "x", "choices": [choice], "usage": usage, "model": "m"})

    return script
