"""The service over HTTP: answers at once, jobs, the same work once, and what strangers send."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from llm_provider.config import UpstreamConfig
from ocr.app import running_application
from ocr.conversion_options import Limits
from ocr.engine import installed_engine
from ocr.engines.settings import RapidSettings, VisionSettings
from ocr.service import jobs, uploads
from ocr.service.service import ServiceSettings
from ocr.service.uploads import Terms
from ocr.service.work_folder import WorkFolder
from ocr.workers import pool
from ocr_testing.pages import HARBOUR, drawn, lines, paragraph, set_in_columns

PDF = set_in_columns([paragraph(HARBOUR)])
TWO_PAGES = drawn(lines(HARBOUR[:60]), lines("The second page.", "It has two lines."))
SECONDS = 60.0
LIMITS = Limits(bytes=200_000, pages=10, seconds=60.0)


@asynccontextmanager
async def serving(
    data: Path, limits: Limits = LIMITS, keep: timedelta = timedelta(days=1)
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application in this process; its workers are processes of their own."""
    settings = ServiceSettings(data, workers=1, sync_pages=3, keep=keep)
    terms = Terms(RapidSettings(), limits)
    async with running_application(installed_engine(), None, settings, terms) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://ocr", timeout=120
        ) as client:
            yield client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Give a client of a fresh service."""
    async with serving(tmp_path / "data") as made:
        yield made


async def _send(
    client: httpx.AsyncClient, path: str, content: bytes = PDF, owner: str = "", **fields: str
) -> httpx.Response:
    return await client.post(
        path,
        files={"file": ("report.pdf", content)},
        data=fields,
        headers={"x-querylake-owner": owner},
    )


async def _ended(client: httpx.AsyncClient, job_id: str, owner: str = "") -> dict[str, Any]:
    """Follow a job's events, and return the last."""
    headers = {"x-querylake-owner": owner}
    last: dict[str, Any] = {}
    async with client.stream("GET", f"/v1/ocr/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    return last


async def test_a_small_document_is_converted_at_once(client: httpx.AsyncClient) -> None:
    answer = await _send(client, "/v1/ocr")

    assert answer.status_code == 200
    document = answer.json()
    assert HARBOUR in document["markdown"].replace("\n", " ")
    assert document["output_contract"] == "text_layer_fastpath_markdown"
    assert document["page_source_by_page"] == {"0001": "text_layer"}
    assert document["page_source_counts"] == {"ocr": 0, "text_layer": 1}


async def test_markdown_alone(client: httpx.AsyncClient) -> None:
    answer = await _send(client, "/v1/ocr", TWO_PAGES, pages="2", format="markdown")

    assert answer.headers["content-type"].startswith("text/markdown")
    assert "The second page." in answer.text
    assert HARBOUR[:20] not in answer.text


async def test_a_job_tells_its_course_and_keeps_its_result(client: httpx.AsyncClient) -> None:
    created = await _send(client, "/v1/ocr/jobs", TWO_PAGES)
    assert created.status_code == 202
    job_id = created.json()["id"]

    last = await _ended(client, job_id)

    assert (last["status"], last["pages_done"], last["page_count"]) == ("complete", 2, 2)
    assert (await client.get(f"/v1/ocr/jobs/{job_id}")).json() == last
    result = (await client.get(f"/v1/ocr/jobs/{job_id}/result")).json()
    assert "The second page." in result["markdown"]
    assert (await client.get(f"/v1/ocr/jobs/{job_id}/markdown")).text == result["markdown"]
    assert [job["id"] for job in (await client.get("/v1/ocr/jobs")).json()] == [job_id]


async def test_the_same_document_is_no_work_again(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await _send(client, "/v1/ocr")

    async def none(*_: object) -> None:
        pytest.fail("it was done already")

    monkeypatch.setattr(pool.Workers, "_ask", none)
    again = await _send(client, "/v1/ocr")
    job = await _send(client, "/v1/ocr/jobs")

    assert again.json() == first.json()
    assert job.json()["status"] == "complete"


async def test_of_what_was_waited_for_only_the_result_is_kept_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SWEEP_SECONDS", 0.1)
    works = tmp_path / "data" / "works"
    async with serving(tmp_path / "data", keep=timedelta(hours=1)) as client:
        job_id = (await _send(client, "/v1/ocr/jobs", TWO_PAGES)).json()["id"]
        await _ended(client, job_id)
        await _send(client, "/v1/ocr")
        assert [job["id"] for job in (await client.get("/v1/ocr/jobs")).json()] == [job_id]
        for folder in works.iterdir():
            os.utime(folder, (0, 0))
        async with asyncio.timeout(SECONDS):
            while len(list(works.iterdir())) > 1:
                await asyncio.sleep(0.05)
        # The other one is still a job's.
        assert (await client.get(f"/v1/ocr/jobs/{job_id}/result")).status_code == 200


async def test_jobs_of_others_are_not_there(client: httpx.AsyncClient) -> None:
    job_id = (await _send(client, "/v1/ocr/jobs", owner="key_a")).json()["id"]
    others = {"x-querylake-owner": "key_b"}

    for path in ("", "/events", "/result", "/markdown"):
        answer = await client.get(f"/v1/ocr/jobs/{job_id}{path}", headers=others)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")
    assert (await client.delete(f"/v1/ocr/jobs/{job_id}", headers=others)).status_code == 404
    assert (await client.get("/v1/ocr/jobs", headers=others)).json() == []
    assert (await _ended(client, job_id, "key_a"))["status"] == "complete"


async def test_what_crashed_is_gone_on_with_and_finished_pages_are_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    read_page = pool.Workers.page

    async def first_page_only(self: pool.Workers, document: Path, options: Any, n: int) -> Any:
        asked.append(n)
        if n == 2:
            await asyncio.Event().wait()
        return await read_page(self, document, options, n)

    monkeypatch.setattr(pool.Workers, "page", first_page_only)
    async with serving(tmp_path / "data") as client:
        job_id = (await _send(client, "/v1/ocr/jobs", TWO_PAGES)).json()["id"]
        async with asyncio.timeout(SECONDS):
            while asked != [1, 2]:
                await asyncio.sleep(0.01)
    monkeypatch.setattr(pool.Workers, "page", read_page)

    async with serving(tmp_path / "data") as client:
        assert (await _ended(client, job_id))["status"] == "complete"
        result = (await client.get(f"/v1/ocr/jobs/{job_id}/result")).json()
        assert [page["page"] for page in result["pages"]] == [1, 2]
    assert asked == [1, 2]


async def test_a_cancelled_job_ends_frees_its_worker_and_leaves_no_document(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_page = pool.Workers.page
    reading = asyncio.Event()

    async def slowly(self: pool.Workers, document: Path, options: Any, n: int) -> Any:
        reading.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(pool.Workers, "page", slowly)
    job_id = (await _send(client, "/v1/ocr/jobs")).json()["id"]
    async with asyncio.timeout(SECONDS):
        await reading.wait()
    watching = asyncio.create_task(_ended(client, job_id))
    cancelled = (await client.delete(f"/v1/ocr/jobs/{job_id}")).json()
    monkeypatch.setattr(pool.Workers, "page", read_page)

    assert cancelled["status"] == "cancelled"
    assert not [path for path in (tmp_path / "data" / "works").rglob("*") if path.is_file()]
    async with asyncio.timeout(SECONDS):
        assert (await watching)["status"] == "cancelled"
    answer = await client.get(f"/v1/ocr/jobs/{job_id}/result")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "job_not_finished")
    assert "was cancelled" in answer.json()["error"]["message"]
    assert (await _send(client, "/v1/ocr")).status_code == 200


async def test_a_cancelled_job_tells_how_far_it_came(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_page = pool.Workers.page
    second = asyncio.Event()

    async def first_page_only(self: pool.Workers, document: Path, options: Any, n: int) -> Any:
        if n == 2:
            second.set()
            await asyncio.Event().wait()
        return await read_page(self, document, options, n)

    monkeypatch.setattr(pool.Workers, "page", first_page_only)
    job_id = (await _send(client, "/v1/ocr/jobs", TWO_PAGES)).json()["id"]
    async with asyncio.timeout(SECONDS):
        await second.wait()
    cancelled = (await client.delete(f"/v1/ocr/jobs/{job_id}")).json()

    assert (cancelled["pages_done"], cancelled["page_count"]) == (1, 2)
    assert (await client.get(f"/v1/ocr/jobs/{job_id}")).json() == cancelled


async def test_a_page_that_kills_its_worker_is_an_error_of_that_page(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = pool._Worker.ask

    async def killed(self: pool._Worker, task: Any) -> Any:
        if task.number == 1:
            self._process = self._process or await self._start()
            os.kill(self._process.pid, signal.SIGKILL)
        return await ask(self, task)

    with monkeypatch.context() as patch:
        patch.setattr(pool._Worker, "ask", killed)
        document = (await _send(client, "/v1/ocr", TWO_PAGES)).json()
        markdown = await _send(client, "/v1/ocr", TWO_PAGES, format="markdown")
        nothing = await _send(client, "/v1/ocr", PDF, format="markdown")

    assert document["status"] == "partial"
    assert [(each["page"], each["code"]) for each in document["errors"]] == [(1, "reader_broke")]
    assert "The second page." in document["markdown"]
    assert (markdown.text, markdown.headers["x-ocr-status"]) == (document["markdown"], "partial")
    assert markdown.headers["x-ocr-pages-failed"] == "1"
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (422, "no_page_converted")
    # It may not have been the page's fault, so it is tried again when it is sent again.
    assert (await _send(client, "/v1/ocr", TWO_PAGES)).json()["status"] == "complete"


@pytest.mark.parametrize(
    ("content", "fields", "status", "code"),
    [
        (b"\0\1\2", {}, 415, "format_unknown"),
        (b"%PDF-1.7 and no more", {}, 422, "document_broken"),
        (PDF, {"pages": "7"}, 422, "pages_wrong"),
        (PDF, {"dpi": "9999"}, 400, "invalid_value"),
        (PDF, {"colour": "red"}, 400, "invalid_value"),
        (drawn(*[lines("A page.")] * 5), {}, 413, "too_many_pages_at_once"),
        (drawn(*[lines("A page.")] * 11), {}, 413, "too_many_pages"),
        (b"%PDF-1.7" + bytes(300_000), {}, 413, "document_too_large"),
    ],
)
async def test_what_cannot_be_converted_is_told_in_the_shape_of_openai(
    client: httpx.AsyncClient, content: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    answer = await _send(client, "/v1/ocr", content, **fields)

    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"].endswith(".")
    assert "job" not in error["message"].lower().replace("/v1/ocr/jobs", "")


async def test_a_form_without_a_file_is_refused(client: httpx.AsyncClient) -> None:
    forms: tuple[dict[str, Any], ...] = (
        {"data": {"pages": "1"}},
        {"files": {"pages": (None, "1")}},
        {"json": {}},
        {},
    )
    for form in forms:
        answer = await client.post("/v1/ocr", **form)

        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing_file")


async def test_the_body_may_be_the_document_itself(client: httpx.AsyncClient) -> None:
    whole = await client.post("/v1/ocr", content=PDF, headers={"content-type": "application/pdf"})
    assert HARBOUR in whole.json()["markdown"].replace("\n", " ")
    part = await client.post("/v1/ocr?pages=2&format=markdown", content=TWO_PAGES)
    assert part.headers["content-type"].startswith("text/markdown")
    assert part.text.startswith("The second page.")
    job = await client.post("/v1/ocr/jobs?file_name=b.pdf", content=TWO_PAGES)
    assert (job.status_code, job.json()["file_name"]) == (202, "b.pdf")
    assert (await _ended(client, job.json()["id"]))["page_count"] == 2


async def test_a_password_of_a_body_is_a_header(client: httpx.AsyncClient) -> None:
    secret = drawn(lines("A secret."), encrypt="pass")
    headers = {"content-type": "application/pdf", "x-ocr-password": "pass"}
    answer = await client.post("/v1/ocr", content=secret, headers=headers)
    assert answer.json()["markdown"] == "A secret."
    refused = await client.post("/v1/ocr?password=pass", content=secret)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"]) == (400, "password")
    assert "x-ocr-password" in error["message"]
    unknown = await client.post("/v1/ocr?page=1", content=secret)
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (400, "page")


async def test_query_parameters_hold_beside_a_form(client: httpx.AsyncClient) -> None:
    file = {"file": ("b.pdf", TWO_PAGES)}
    part = await client.post("/v1/ocr?pages=2&format=markdown", files=file)
    assert part.text.startswith("The second page.")
    unknown = await client.post("/v1/ocr?page=2", files=file)
    error = unknown.json()["error"]
    assert (unknown.status_code, error["param"]) == (400, "page")
    assert "Known: pages, text_layer," in error["message"]
    secret = {"file": ("s.pdf", drawn(lines("A secret."), encrypt="pass"))}
    opened = await client.post("/v1/ocr", files=secret, headers={"x-ocr-password": "pass"})
    assert opened.json()["markdown"] == "A secret."


@pytest.mark.parametrize(
    ("query", "form"),
    [
        ("?pages=1&pages=2", None),
        ("?pages=1", {"pages": "2"}),
        ("", {"pages": ["1", "2"]}),
    ],
    ids=["parameters", "a parameter and a field", "fields"],
)
async def test_what_is_given_twice_is_refused(
    query: str, form: dict[str, Any] | None, client: httpx.AsyncClient
) -> None:
    sent: dict[str, Any] = {"content": TWO_PAGES}
    if form is not None:
        sent = {"files": {"file": ("b.pdf", TWO_PAGES)}, "data": form}
    answer = await client.post(f"/v1/ocr{query}", **sent)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_value", "pages")
    assert "twice" in error["message"]


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"content-type": "text/csv; charset=utf-8"}, ""), ({}, "?file_name=depths.csv")],
)
async def test_a_text_is_what_its_type_or_name_says(
    headers: dict[str, str], query: str, client: httpx.AsyncClient
) -> None:
    answer = await client.post(f"/v1/ocr{query}", content=b"a,b\n1,2\n", headers=headers)
    document = answer.json()
    assert document["markdown"] == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert document["page_source_by_page"] == {"0001": "document"}
    assert document["output_contract"] == "text_layer_fastpath_markdown"
    form = await client.post("/v1/ocr", files={"file": ("depths.csv", b"a,b\n1,2\n")})
    assert form.json()["markdown"] == document["markdown"]


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/ocr", content=b"%PDF-" + b"x" * LIMITS.bytes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "document_too_large")


async def test_a_full_disk_is_a_fault_of_the_service(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for place, name in ((uploads._Writing, "add"), (WorkFolder, "keep_page")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, full)
            answer = await _send(client, "/v1/ocr")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (507, "storage_failed")
        assert error["type"] == "server_error"
        assert "No space left on device" in error["message"]
    assert (await _send(client, "/v1/ocr")).status_code == 200


async def test_a_document_that_stops_coming_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "IDLE_SECONDS", 0.2)

    async def body() -> AsyncIterator[bytes]:
        yield b"--x\r\n"
        await asyncio.Event().wait()

    kind = {"content-type": "multipart/form-data; boundary=x"}
    answer = await client.post("/v1/ocr", content=body(), headers=kind)

    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "upload_too_slow")


async def test_a_job_whose_document_is_no_document_fails_with_the_reason(
    client: httpx.AsyncClient,
) -> None:
    job_id = (await _send(client, "/v1/ocr/jobs", b"\0\1\2")).json()["id"]

    last = await _ended(client, job_id)

    assert (last["status"], last["error"]["code"]) == ("failed", "format_unknown")
    assert (await client.get(f"/v1/ocr/jobs/{job_id}/result")).status_code == 409


async def test_nothing_of_a_document_stays_but_its_result(
    client: httpx.AsyncClient, tmp_path: Path
) -> None:
    await _send(client, "/v1/ocr", password="secret-word")

    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sorted(path.name for path in kept if path.parent.parent.name == "works") == [
        "result.json"
    ]
    assert not any(b"secret-word" in path.read_bytes() for path in kept)


async def test_the_key_of_a_vision_model_is_not_on_the_disk(tmp_path: Path) -> None:
    upstream = UpstreamConfig("vision", "http://127.0.0.1:9/v1", api_key="engine-secret")
    settings = ServiceSettings(tmp_path / "data", workers=1, sync_pages=3, keep=timedelta(days=1))
    terms = Terms(VisionSettings(upstream, "reader"), LIMITS)
    async with running_application(installed_engine(), None, settings, terms) as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ocr", timeout=120) as c:
            document = (await _send(c, "/v1/ocr", text_layer="never")).json()

    # Nobody answers there, so the page fails, in words, and without the key.
    assert [error["code"] for error in document["errors"]] == ["engine_failed"]
    kept = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"engine-secret" in path.read_bytes() for path in kept)
