"""The console in a real browser, by keyboard and by click, on a desk and on a phone."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from querylake_api_testing.browser import Page, browser_page, chromium
from querylake_api_testing.rollout_stage import Stage, rollout_stage
from querylake_api_testing.running import RunningApi

pytestmark = pytest.mark.skipif(
    chromium() is None, reason="no Chromium here; Debian's package `chromium` is enough"
)

SHOTS = os.environ.get("QUERYLAKE_TEST_SHOTS")
"""A folder for pictures of the pages, for whoever wants to look at them."""

WATCHED_SECONDS = 8.0

KEEP_FILE = """
    window.saved = null;
    URL.createObjectURL = (blob) => {
        blob.text().then((text) => { window.saved = text; });
        return '#';
    }
    """
"""Keeps what would be downloaded."""


@pytest.fixture
async def stage(tmp_path: Path, database_url: str) -> AsyncIterator[Stage]:
    async with rollout_stage(tmp_path, database_url) as running:
        yield running


@asynccontextmanager
async def console(
    api: RunningApi, folder: Path, key: str, path: str = "/ui"
) -> AsyncIterator[Page]:
    """Open the console and sign in by keyboard."""
    async with browser_page(f"{api.url}{path}", folder) as page:
        await page.until("document.activeElement?.id === 'key'")
        await page.type(key)
        await page.key("Enter")
        await page.until("document.querySelector('nav[aria-label=Pages]') !== null")
        yield page
        assert page.complaints == []


async def open_page(page: Page, name: str) -> None:
    """Go to a page by its link, and see that its heading has the focus."""
    await page.run(f"document.querySelector('nav a[href=\"/ui/{name}\"]').click()")
    await page.until("document.activeElement?.tagName === 'H1'")
    assert await page.run("location.pathname") == f"/ui/{name}"
    title = await page.run("document.title")
    assert title.removesuffix(" · QueryLake").lower() in await page.run(
        "document.activeElement.textContent.toLowerCase()"
    )


async def looks_right(page: Page, name: str) -> None:
    """See that everything has room on a desk and on a phone, and take pictures."""
    for width, screen in ((1280, "desk"), (390, "phone")):
        for dark in (False, True):
            shot = f"{name}-{screen}-{'dark' if dark else 'light'}.png"
            await page.look(width, dark=dark, path=Path(SHOTS) / shot if SHOTS else None)
            wide = await page.run("document.documentElement.scrollWidth")
            assert wide <= width, f"{screen}: {wide} pixels are wider than the screen"
    await page.look(1280, dark=False)


async def press(page: Page, selector: str) -> None:
    """Press what is there by the keyboard, once it is there."""
    await page.until(f"document.querySelector('{selector}') !== null")
    await page.run(f"document.querySelector('{selector}').focus()")
    await page.key("Enter")


async def fill(page: Page, selector: str, text: str) -> None:
    """Type into a field."""
    await page.run(f"document.querySelector('{selector}').focus()")
    await page.type(text)


def paths(page: Page) -> list[str]:
    """Return what was asked for; nothing of it is elsewhere."""
    hosts = {urlsplit(url).netloc for url in page.requests}
    assert len(hosts) == 1
    return [urlsplit(url).path for url in page.requests]


async def test_it_loads_with_three_requests_and_asks_once_a_second(
    stage: Stage, tmp_path: Path
) -> None:
    await stage.started(steps=[{"percent": 10, "bake_seconds": 900}, {"percent": 50}])
    async with console(stage.api, tmp_path / "browser", stage.api.admin_key) as page:
        loaded = [path for path in paths(page) if path.startswith("/ui") and "session" not in path]
        assert loaded == ["/ui", "/ui/console.css", "/ui/console.js"]
        for name in ("", "rollouts", "keys", "usage", "gates"):
            if name:
                await open_page(page, name)
            await page.until("document.querySelector('#connection').textContent.includes('as of')")
            page.requests.clear()
            began = time.monotonic()
            await asyncio.sleep(WATCHED_SECONDS)  # what is measured is a rate
            await page.run("1")
            assert len(page.requests) <= 1 + (time.monotonic() - began), name


async def test_the_overview_shows_traffic_engines_and_shares(stage: Stage, tmp_path: Path) -> None:
    async with (
        stage.load(stream=True),
        console(stage.api, tmp_path / "browser", stage.api.admin_key) as page,
    ):
        await page.until("document.body.innerText.includes('Engines, database and rollouts are')")
        await page.until("document.querySelectorAll('.chart canvas').length === 3")
        await page.until("/100% of the last [1-9]/.test(document.body.innerText)")
        text = await page.run("document.querySelector('main').innerText")
        assert "old" in text
        assert "Health probe: status 200" in text
        await looks_right(page, "overview")
        await stage.started(title="slower model", steps=[{"percent": 25, "bake_seconds": 900}])
        await page.until("document.body.innerText.includes('slower model')")
        await page.until("document.body.innerText.includes('25%')")


async def test_a_key_is_made_limited_and_revoked(stage: Stage, tmp_path: Path) -> None:
    async with console(stage.api, tmp_path / "browser", stage.api.admin_key, "/ui/keys") as page:
        await press(page, "#create-key")
        await page.until("document.activeElement?.id === 'key-name'")
        await page.type("search team")
        await fill(page, "#key-requests_per_minute", "600")
        await looks_right(page, "key-form")
        await press(page, "#key-save")
        await page.until("document.querySelector('#secret') !== null")
        secret = await page.run("document.querySelector('#secret').textContent")
        assert (await stage.api.get("/v1/models", key=secret)).status_code == 200
        await page.until("document.body.innerText.includes('Requests a minute: 600')")
        await press(page, "#secret-done")
        await page.until("document.querySelector('#secret') === null")
        assert secret not in await page.run("document.documentElement.outerHTML")
        await looks_right(page, "keys")

        key_id = (await stage.api.get("/ui/session", key=secret)).json()["id"]
        await press(page, f"#change-{key_id}")
        await page.until("document.activeElement?.id === 'key-name'")
        assert await page.run("document.activeElement.value") == "search team"
        await fill(page, "#key-concurrency", "4")
        await press(page, "#key-save")
        await page.until("document.body.innerText.includes('Concurrent requests: 4')")
        await page.until(f"document.activeElement?.id === 'change-{key_id}'")

        await press(page, f"#revoke-{key_id}")
        await page.until("document.querySelector('#revoke')?.open")
        await press(page, "#revoke-yes")
        await page.until("!document.body.innerText.includes('search team')")
        await page.run("document.querySelector('#show-revoked').click()")
        await page.until("document.body.innerText.includes('revoked')")
    assert (await stage.api.get("/v1/models", key=secret)).status_code == 401


async def test_the_playground_streams_and_shows_the_request(stage: Stage, tmp_path: Path) -> None:
    path = "/ui/playground"
    async with console(stage.api, tmp_path / "browser", stage.api.admin_key, path) as page:
        await press(page, "#playground-key")
        await page.until("document.querySelector('#model')?.value === 'chatty'")
        await fill(page, "#system", "Don't be long.")
        await fill(page, "#prompt", "Say three words")
        await page.key("Enter")
        await page.until(
            "document.querySelector('#messages .assistant')?.innerText.includes('one two three')"
        )
        await page.until("document.querySelector('#figures').textContent.includes('first token')")
        sent = stage.old.requests[-1].json()
        assert [each["content"] for each in sent["messages"]] == [
            "Don't be long.",
            "Say three words",
        ]
        await looks_right(page, "playground")
        shown = await page.run("document.querySelector('#snippet').textContent")
        assert "Say three words" in shown
        assert "one two three" not in shown
        snippet = "document.querySelector('#snippet').textContent"
        for index, found in enumerate(("curl -N", "from openai import", "import OpenAI from")):
            await page.run(f"document.querySelectorAll('.choices button')[{index}].click()")
            await page.until(f"{snippet}.includes('{found}')")
            assert "QUERYLAKE_API_KEY" in await page.run(snippet)
            assert "sk-" not in await page.run(snippet)


async def test_the_curl_and_python_of_the_playground_run(stage: Stage, tmp_path: Path) -> None:
    path = "/ui/playground"
    async with console(stage.api, tmp_path / "browser", stage.api.key, path) as page:
        await page.until("document.querySelector('#model')?.value === 'chatty'")
        await fill(page, "#prompt", 'It\'s "quoted" \\ and\u00e4')
        await page.until("document.querySelector('#snippet').textContent.includes('quoted')")
        curl = await page.run("document.querySelector('#snippet').textContent")
        environment = {**os.environ, "QUERYLAKE_API_KEY": stage.api.key}
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", curl.replace("curl -N", "curl -sN --noproxy '*'"),
            env=environment, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert b"data: [DONE]" in out
        assert (
            stage.old.requests[-1].json()["messages"][-1]["content"]
            == 'It\'s "quoted" \\ and\u00e4'
        )
        await page.run("document.querySelectorAll('.choices button')[1].click()")
        await page.until("document.querySelector('#snippet').textContent.includes('openai')")
        compile(await page.run("document.querySelector('#snippet').textContent"), "snippet", "exec")


async def test_an_inference_key_sees_playground_and_own_usage_alone(
    stage: Stage, tmp_path: Path
) -> None:
    for _ in range(3):
        await stage.chat()
    async with console(stage.api, tmp_path / "browser", stage.api.key) as page:
        pages = (
            "[...document.querySelectorAll('nav[aria-label=Pages] a')].map((a) => a.textContent)"
        )
        assert await page.run(pages) == ["Usage", "Playground", "API"]
        await open_page(page, "usage")
        await page.until("document.body.innerText.includes('chatty')")
        assert "Your usage" in await page.run("document.body.innerText")
        assert await page.run("document.querySelector('#by-key')") is None
        assert not any(path.startswith("/admin") for path in paths(page))


async def test_usage_by_key_as_csv(stage: Stage, tmp_path: Path) -> None:
    for _ in range(3):
        await stage.chat()
    async with console(stage.api, tmp_path / "browser", stage.api.admin_key, "/ui/usage") as page:
        await page.run(KEEP_FILE)
        for name in ("day", "model", "key"):
            await press(page, f"#by-{name}")
        await page.until("document.querySelector('tbody th')?.innerText.includes('test')")
        await looks_right(page, "usage")
        await press(page, "#csv")
        await page.until("window.saved !== null")
        header, row = (await page.run("window.saved")).split("\r\n")[:2]
        assert header.startswith("key,key_name,requests,failures,prompt_tokens")
        assert row.split(",")[1:4] == ["test", "3", "0"]


async def test_the_gates_name_what_is_missing(tmp_path: Path, database_url: str) -> None:
    said = {
        "holds": False,
        "missing": ["5.baseline: stale (run: upgrade_gates serving verify)"],
        "gates": [
            {
                "gate": 5,
                "holds": False,
                "oldest_evidence": None,
                "lines": [{"id": "5.baseline", "state": "stale", "record": "0003.json"}],
            }
        ],
    }
    command = ["printf", "%s", json.dumps(said)]
    async with (
        rollout_stage(tmp_path, database_url, gates_command=command) as stage,
        console(stage.api, tmp_path / "browser", stage.api.admin_key, "/ui/gates") as page,
    ):
        await page.until("document.querySelector('#gates-verdict') !== null")
        text = await page.run("document.querySelector('main').innerText")
        assert "The gates do not hold: 5.baseline: stale" in text
        assert "0003.json" in text
        await looks_right(page, "gates")
        await press(page, "#check-gates")
        await page.until("document.querySelector('#check-gates').textContent === 'Check now'")


async def test_signing_out_forgets_the_key(stage: Stage, tmp_path: Path) -> None:
    async with console(stage.api, tmp_path / "browser", stage.api.admin_key) as page:
        assert await page.run("Object.keys(localStorage).length") == 0
        await press(page, "#leave")
        await page.until("document.activeElement?.id === 'key'")
        assert await page.run("Object.keys(sessionStorage).length") == 0
        await looks_right(page, "sign-in")


async def test_the_api_reference_works_without_internet(api: RunningApi, tmp_path: Path) -> None:
    async with browser_page(f"{api.url}/docs", tmp_path / "browser") as page:
        await page.until("document.body?.innerText.includes('/v1/chat/completions')")
        assert paths(page)[:3] == ["/docs", "/docs/reference.css", "/docs/reference.js"]
        await page.look(1280, dark=True, path=Path(SHOTS) / "docs-desk.png" if SHOTS else None)
        assert page.complaints == []
