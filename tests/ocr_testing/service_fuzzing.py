"""Sends damaged documents to a running service: `benchmarks/ocr-fuzz --seconds 600`.

The service is a process of its own with worker processes of its own, as operators start it. What is
wrong is an answer that is none of the documented ones or none at all, a service that ends or says
something, memory beyond a bound, files that are left, and a good document that is not read after
all the others. Each document has a number, with which it can be sent again.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from PIL import Image

import ocr.__main__  # noqa: F401 - run as a module
from ocr_testing.fuzzing import damaged, damaged_inside, documents
from ocr_testing.pages import HARBOUR, drawn, encoded, lines, pictured, scan

WORKERS = 2
AT_A_TIME = 4
PAGE_SECONDS = 10
ANSWER_SECONDS = 120.0
"""Within which every answer has to be there: several pages, and others before them in the line."""
ENDINGS = ("pdf", "docx", "txt", "md", "csv", "html", "eml")
"""Of what documents are called: it tells texts apart, and must not matter for others."""
SERVICE_MB = 400
WORKER_MB = 1_500
DOCUMENTED = {200, 202, 400, 413, 415, 422}
"""What a document may be answered with. 408, 409, 507 and 500 have causes that are not here."""


@dataclass
class Findings:
    """What became of the documents.

    Attributes:
        outcomes: how many documents came to which end.
        wrong: what must not be, in sentences.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


def originals() -> list[bytes]:
    """Return undamaged documents, those of `fuzzing` and some whose pages are recognised."""
    page = scan(drawn(lines(HARBOUR[:40], HARBOUR[40:80], size=18)), 72)
    small = page.crop((0, 60, page.width, 260))
    turned = small.transpose(Image.Transpose.ROTATE_90)
    found = [*documents(), encoded(small, "JPEG"), encoded(turned, "TIFF")]
    found.append(drawn(pictured(small, 0, 100, 400), lines(HARBOUR[:40]), pageCompression=0))
    return found


async def fuzz(seed: int, count: int | None, seconds: float | None) -> Findings:
    """Send documents until there were enough, or the time is over."""
    findings = Findings()
    until = time.monotonic() + seconds if seconds is not None else None
    last = None if count is None else seed + count
    numbers = itertools.takewhile(
        lambda n: (last is None or n < last) and (until is None or time.monotonic() < until),
        itertools.count(seed),
    )
    with tempfile.TemporaryDirectory() as folder:
        async with _running(Path(folder), findings) as (process, url):
            async with httpx.AsyncClient(
                base_url=url, timeout=ANSWER_SECONDS, trust_env=False
            ) as client:
                # The models are loaded before anything is timed.
                await _good_document(client, 100, findings)
                good = originals()
                senders = (_send(client, good, numbers, findings) for _ in range(AT_A_TIME))
                await asyncio.gather(*senders)
                await _good_document(client, 101, findings)
            _look_at_memory(process.pid, findings)
        left = list(Path(folder, "works").glob("*/document"))
        left += Path(folder, "uploads").glob("*")
        if left:
            findings.wrong.append(f"{len(left)} documents are left on the disk")
    return findings


@asynccontextmanager
async def _running(folder: Path, findings: Findings) -> AsyncIterator[tuple[Process, str]]:
    path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    options = ["--data", str(folder), "--workers", str(WORKERS), "--seconds", str(PAGE_SECONDS)]
    options += ["--max-pages", "50", "--max-bytes", "1000000", "--port", "0"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ocr", "serve", *options),
        env={**os.environ, "PYTHONPATH": path},
        stdout=PIPE,
        stderr=PIPE,
    )
    assert process.stdout is not None
    try:
        ready = (await process.stdout.readline()).decode()
        yield process, ready.removeprefix("ocr ready on ").strip()
        if process.returncode is not None:
            findings.wrong.append(f"the service ended with {process.returncode}")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, said = await process.communicate()
    if process.returncode != 0 or said:
        findings.wrong.append(f"it ended with {process.returncode} and said {said[-4000:]!r}")


async def _send(
    client: httpx.AsyncClient, good: list[bytes], numbers: Iterator[int], findings: Findings
) -> None:
    for number in numbers:
        random = Random(number)
        original = random.choice(good)
        inside = original.startswith(b"PK") and random.random() < 0.8
        content = (damaged_inside if inside else damaged)(original, random)
        request = client.build_request(
            "POST",
            "/v1/ocr/jobs" if random.random() < 0.2 else "/v1/ocr",
            files={"file": (f"{number}.{random.choice(ENDINGS)}", content)},
            data=_form(random),
        )
        if random.random() < 0.05:
            # The form itself is damaged, and says of itself how long it is.
            body = damaged(request.read(), random)
            kind = {"content-type": request.headers["content-type"]}
            request = client.build_request("POST", "/v1/ocr", content=body, headers=kind)
        started = time.monotonic()
        try:
            answer = await client.send(request)
            outcome = _outcome(answer)
            if answer.status_code == 202:
                outcome = await _end_of(client, answer.json()["id"], random)
        except httpx.HTTPError as error:
            findings.wrong.append(f"document {number}: {type(error).__name__}: {error}")
            continue
        except (ValueError, KeyError, AssertionError) as error:
            findings.wrong.append(f"document {number}: {error!r}")
            continue
        findings.slowest = max(findings.slowest, time.monotonic() - started)
        findings.outcomes[outcome] += 1


def _form(random: Random) -> dict[str, str]:
    """Return fields beside the document, some of them wrong."""
    form = {"dpi": random.choice(("72", "72", "100"))}
    if random.random() < 0.02:
        form["dpi"] = "5"
    if random.random() < 0.3:
        form["text_layer"] = random.choice(("auto", "always", "never"))
    if random.random() < 0.2:
        form["pages"] = random.choice(("1", "1-", "2-1", "0", "1-999999999999", "x", "1,1,1"))
    if random.random() < 0.2:
        form["password"] = random.choice(("", "wrong", "\0", "\u6c34" * 300, "x" * 1001))
    if random.random() < 0.2:
        form["format"] = "markdown"
    return form


def _outcome(answer: httpx.Response) -> str:
    """Return what an answer says; it has to say one of the things that are documented."""
    assert answer.status_code in DOCUMENTED, f"{answer.status_code} {answer.text[:300]}"
    if not answer.is_success:
        error = answer.json()["error"]
        assert error["message"], "a refusal without a word"
        return str(error["code"])
    if answer.headers["content-type"].startswith("application/json") and answer.status_code == 200:
        return _end_of_document(answer.json())
    if answer.status_code == 200:
        assert answer.headers["x-ocr-status"] in ("complete", "partial")
    return "markdown"


def _end_of_document(result: dict[str, Any]) -> str:
    """Return how a result ends; every page of it is either read or an error."""
    read = {int(number) for number in result["page_source_by_page"]}
    failed = {error["page"] for error in result["errors"]}
    assert len(read) + len(failed) == result["page_count"], "a page is neither read nor failed"
    assert not read & failed, "a page is both read and failed"
    assert (result["output_contract"] is None) == (not read), "a contract without a page"
    codes = sorted({error["code"] for error in result["errors"]})
    return " ".join([result["status"], *codes])


async def _end_of(client: httpx.AsyncClient, job_id: str, random: Random) -> str:
    """Follow a job to its end, or end it, and return how that was."""
    place = f"/v1/ocr/jobs/{job_id}"
    if random.random() < 0.2:
        ended = await client.delete(place)
        return f"job {ended.json()['status']}"
    last: dict[str, Any] = {}
    async with client.stream("GET", f"{place}/events") as events:
        async for line in events.aiter_lines():
            if line.startswith("data: "):
                last = json.loads(line.removeprefix("data: "))
    if last["status"] == "failed" and last["error"] is not None:
        return f"job {last['error']['code']}"
    return f"job {_end_of_document((await client.get(f'{place}/result')).json())}"


async def _good_document(client: httpx.AsyncClient, dpi: int, findings: Findings) -> None:
    """See that a page with text and a scan is read; another resolution makes it another work."""
    page = scan(drawn(lines("The harbour at dawn", size=24)), 100)
    files = {"file": ("a.pdf", drawn(lines(HARBOUR), pictured(page, 0, 0, 595)))}
    answer = await client.post("/v1/ocr", files=files, data={"dpi": str(dpi)})
    if answer.status_code != 200 or not (HARBOUR[:40] in answer.text and "at dawn" in answer.text):
        findings.wrong.append(f"a good document is not read: {answer.text[:500]}")


def _look_at_memory(pid: int, findings: Findings) -> None:
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if len(workers) > WORKERS:
        findings.wrong.append(f"there are {len(workers)} workers instead of {WORKERS}")
    for process, limit in ((str(pid), SERVICE_MB), *((worker, WORKER_MB) for worker in workers)):
        status = Path(f"/proc/{process}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
        findings.outcomes[f"MB of {'service' if process == str(pid) else 'workers'}"] += peak
        if peak > limit:
            findings.wrong.append(f"process {process} had {peak} MB, more than {limit}")


def main() -> None:
    """Send documents, and end with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="service_fuzzing", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="the number of the first document")
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    findings = asyncio.run(fuzz(options.seed, options.count, options.seconds))
    for outcome, number in findings.outcomes.most_common():
        print(f"{number:6} {outcome}")
    print(f"slowest answer: {findings.slowest:.1f} s")
    for wrong in findings.wrong[:20]:
        print(wrong)
    sys.exit(bool(findings.wrong))


if __name__ == "__main__":
    main()
