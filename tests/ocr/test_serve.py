"""`serve` and the options, as a process of its own: what an operator and a caller see."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest

import ocr.__main__  # noqa: F401 - run as a module
from ocr.engine import installed_engine
from ocr.errors import EngineMissing
from querylake_version import VERSION

KEY = {"OCR_API_KEY": "correct-horse"}
SECONDS = 90.0
"""No single step of a test may take longer, on however busy a machine."""


@dataclass
class OcrProcess:
    """`python -m ocr`, running."""

    process: subprocess.Popen[str]

    def url(self) -> str:
        """Wait for the ready line, and return where it answers."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ocr ready on http://"), f"not ready: {line!r}, {self.end()}"
        return line.removeprefix("ocr ready on ").strip()

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Send a signal, if one is given; return exit code, further output and errors."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err


class StartOcr(Protocol):
    """Starts the program with arguments, and with environment variables."""

    def __call__(self, *arguments: str, **variables: str) -> OcrProcess: ...


@pytest.fixture()
def start(tmp_path: Path) -> Iterator[StartOcr]:
    """Start the program; whatever a test leaves behind is killed."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **variables: str) -> OcrProcess:
        inherited = {name: value for name, value in os.environ.items() if name != "OCR_API_KEY"}
        path = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
        process = subprocess.Popen(
            [sys.executable, "-m", "ocr", *arguments],
            cwd=tmp_path,
            env={**inherited, "PYTHONPATH": path, **variables},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        running.append(process)
        return OcrProcess(process)

    yield run
    for process in running:
        with process:
            if process.poll() is None:
                process.kill()


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        return client.get(url, headers=headers)


def test_health_names_the_installed_engine_and_sigterm_ends_with_0(start: StartOcr) -> None:
    ocr = start("serve", "--port", "0")
    answer = get(f"{ocr.url()}/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "version": VERSION,
        "engine": {"name": "rapidocr", "version": importlib.metadata.version("rapidocr")},
    }
    assert ocr.end(signal.SIGTERM) == (0, "", "")


def test_what_is_not_there_is_said_in_the_shape_of_openai(start: StartOcr) -> None:
    url = start("serve", "--port", "0").url()
    missing = get(f"{url}/v1/nothing")
    assert missing.status_code == 404
    error = missing.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == "unknown_url"
    assert "/docs" in error["message"]
    assert get(f"{url}/docs").status_code == 200

    wrong = httpx.post(f"{url}/health", trust_env=False)
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "GET"
    assert wrong.json()["error"]["code"] == "method_not_allowed"


def test_a_key_is_asked_for_everywhere_but_on_health(start: StartOcr) -> None:
    url = start("serve", "--port", "0", **KEY).url()
    assert get(f"{url}/health").status_code == 200
    for path in ("/docs", "/openapi.json", "/v1/ocr"):
        refused = get(f"{url}{path}")
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"
    for headers in ({"authorization": "Bearer wrong"}, {"authorization": "Basic correct-horse"}):
        assert get(f"{url}/docs", headers).status_code == 401
    for headers in ({"authorization": "Bearer correct-horse"}, {"x-api-key": "correct-horse"}):
        assert get(f"{url}/docs", headers).status_code == 200
        assert get(f"{url}/v1/ocr/jobs", headers).status_code == 200


def test_other_machines_are_let_in_with_a_key_only(start: StartOcr) -> None:
    code, out, err = start("serve", "--host", "0.0.0.0", "--port", "0").end()
    assert (code, out) == (78, "")
    assert err.count("\n") == 1
    assert "OCR_API_KEY" in err

    guarded = start("serve", "--host", "0.0.0.0", "--port", "0", **KEY)
    port = guarded.url().rpartition(":")[2]
    assert get(f"http://127.0.0.1:{port}/docs").status_code == 401


async def test_too_large_is_said_to_a_client_that_sends_on(start: StartOcr) -> None:
    url = start("serve", "--port", "0", "--max-bytes", "1000").url()
    document = bytes(20_000_000)  # more than the buffers on the way hold
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as client:
        answer = await client.post(f"{url}/v1/ocr", files={"file": ("a.pdf", document)})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "document_too_large"


def test_a_client_that_leaves_in_its_upload_is_no_fault(start: StartOcr) -> None:
    ocr = start("serve", "--port", "0")
    host, port = ocr.url().removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"POST /v1/ocr HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n"
            b"content-type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
    assert get(f"http://{host}:{port}/health").status_code == 200
    assert ocr.end(signal.SIGTERM) == (0, "", "")


def test_a_port_in_use_is_one_sentence(start: StartOcr) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = start("serve", "--port", str(port)).end()
    assert (code, out) == (69, "")
    assert err.count("\n") == 1
    assert f"port {port} on 127.0.0.1 is in use" in err


def test_an_address_of_another_machine_is_one_sentence(start: StartOcr) -> None:
    code, _, err = start("serve", "--host", "192.0.2.1", "--port", "0", **KEY).end()
    assert code == 69
    assert err == "ocr: cannot listen on 192.0.2.1 port 0: Cannot assign requested address\n"


def test_version_and_help(start: StartOcr) -> None:
    assert start("--version").end() == (0, f"{VERSION}\n", "")
    code, out, _ = start("--help").end()
    assert code == 0
    assert "serve" in out


def test_an_environment_without_the_engine_is_refused() -> None:
    with pytest.raises(EngineMissing, match="no-such-engine is not installed"):
        installed_engine("no-such-engine")
