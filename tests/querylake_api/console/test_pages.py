"""The pages: nothing from elsewhere, three requests to load, the same policy for all of them."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from querylake_api.console import assets
from querylake_api_testing.running import RunningApi

PAGES = ["/ui", "/ui/rollouts", "/ui/keys", "/ui/usage", "/ui/gates", "/ui/playground", "/docs"]
FILES = ["/ui/console.js", "/ui/console.css", "/docs/reference.js", "/docs/reference.css"]
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


@pytest.mark.parametrize("path", [*PAGES, *FILES])
async def test_every_file_has_the_strict_policy(api: RunningApi, path: str) -> None:
    response = await api.client.get(path)
    assert response.status_code == 200
    parts = response.headers["content-security-policy"].split("; ")
    assert dict(part.split(" ", 1) for part in parts) == POLICY
    assert response.headers["x-content-type-options"] == "nosniff"
    again = await api.client.get(path, headers={"if-none-match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_asks_for_two_files_of_ours(api: RunningApi, path: str) -> None:
    page = (await api.client.get(path)).text
    wanted = re.findall(r'(?:src|<link rel="stylesheet" href)="([^"]+)"', page)
    assert len(wanted) == 2
    for file in wanted:
        assert (await api.client.get(file)).status_code == 200
    # Neither scripts nor styles in the page itself, and no icon to be asked for.
    assert not re.search(r"<style|style=|<script(?![^>]*src=)|\son[a-z]+=", page)
    assert '<link rel="icon" href="data:,">' in page


async def test_our_own_scripts_name_no_other_host(api: RunningApi) -> None:
    for path in ("/ui/console.js", "/ui/console.css", "/ui"):
        text = (await api.client.get(path)).text
        found = set(re.findall(r"https?://[\w.-]+", text))
        # Namespaces of XML, and documentation that a library's messages name.
        assert found <= {"http://www.w3.org"}, path


async def test_programs_are_told_and_browsers_are_led(api: RunningApi) -> None:
    told = await api.client.get("/")
    assert told.json()["console"] == "/ui"
    led = await api.client.get("/", headers={"accept": "text/html,application/xhtml+xml"})
    assert (led.status_code, led.headers["location"]) == (307, "/ui")
    assert {told.headers["vary"], led.headers["vary"]} == {"Accept"}
    assert (await api.client.get("/ui/")).headers["location"] == "/ui"
    assert (await api.client.get("/ui/nothing")).status_code == 404


async def test_a_session_says_what_the_key_opens(api: RunningApi) -> None:
    for key, scopes in ((api.key, ["inference"]), (api.admin_key, ["admin"])):
        session = (await api.get("/ui/session", key=key)).json()
        assert session["scopes"] == scopes
        assert key not in str(session)
    assert (await api.get("/ui/session", key="sk-wrong")).status_code == 401


async def test_a_key_sees_its_own_usage_alone(api: RunningApi) -> None:
    chat = {"model": "default", "messages": [{"role": "user", "content": "hi"}]}
    assert (await api.post("/v1/chat/completions", chat)).status_code == 200
    other = await api.post("/admin/keys", {"name": "other"}, key=api.admin_key)
    for key, requests in ((api.key, 1), (other.json()["key"], 0)):
        total = 0
        for _ in range(600):
            usage = (await api.get("/v1/usage?group_by=model&group_by=day", key=key)).json()
            total = sum(each["requests"] for each in usage["data"])
            if total == requests:
                break
        assert total == requests
    named = await api.get(f"/v1/usage?key={other.json()['id']}")
    assert sum(each["requests"] for each in named.json()["data"]) == 1
    assert (await api.get("/v1/usage?from=2026-01-02&to=2026-01-01")).status_code == 400


async def test_every_script_is_sent() -> None:
    folder = resources.files("querylake_api.console").joinpath("assets")
    own = {each.name for each in folder.iterdir() if each.name.endswith(".js")}
    sent = assets.script().content + assets.reference_script().content
    for name in own:
        assert folder.joinpath(name).read_bytes() in sent, name
