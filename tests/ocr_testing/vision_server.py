"""A server with OpenAI's chat API: one that answers as a test says, or one that can read.

The one that reads stands in for a vision model, of which none that reads pages comes in a package.
It sees nothing but the pixels that were sent: they are decoded and recognised by RapidOCR.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ocr.conversion.assembly import assemble
from ocr.conversion.convert import convert
from ocr.conversion_options import ConversionOptions
from ocr.documents.images import ImageDocument
from ocr.engines.opening import open_engine
from waiting_testing.waiting import PATIENCE

Answer = Callable[[dict[str, Any], dict[str, str]], tuple[int, object]]
"""From the body of a request and its headers to status and document; status 0 hangs up."""


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """Serve chat completions on a real socket; yield the base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # noqa: N802 - named by the standard library
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = answer(body, headers | {":path": self.path})
            if status == 0:
                return
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{served.server_address[1]}/v1"
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def completion(text: str | None, reason: str = "stop") -> tuple[int, object]:
    """Return a chat completion."""
    message = {"role": "assistant", "content": text}
    return 200, {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}


@dataclass
class ReadingModel:
    """Reads the image of a request; an `Answer`.

    Attributes:
        words: that an answer may have, besides what the request allows: the rest is cut off.
        faults: answers that are given first, one to a request, instead of reading.
        sizes: of the images that came, in pixels.
        keys: that came with them.
        at_least: requests that must have been there at a time before the first is answered.
        most: requests that were there at a time.
    """

    words: int = 100_000
    faults: list[tuple[int, object]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    at_least: int = 1
    most: int = 0
    _present: int = 0
    _lock: threading.Condition = field(default_factory=threading.Condition)
    # PDFium and the models work in one thread at a time.
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, object]:
        """Answer a request."""
        with self._lock:
            self._present += 1
            self.most = max(self.most, self._present)
            self.keys.add(headers.get("authorization"))
            fault = self.faults.pop(0) if self.faults else None
            self._lock.notify_all()
            self._lock.wait_for(lambda: self.most >= self.at_least, PATIENCE)
        try:
            return self._read(body) if fault is None else fault
        finally:
            with self._lock:
                self._present -= 1

    def _read(self, body: dict[str, Any]) -> tuple[int, object]:
        parts = body["messages"][0]["content"]
        urls = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        if len(urls) != 1 or not urls[0].startswith("data:image/png;base64,"):
            return 400, {"error": {"message": "one image, please"}}
        image = base64.b64decode(urls[0].partition(",")[2], validate=True)
        options = ConversionOptions()
        with self._reading:
            with ImageDocument(image, options.limits) as document:
                height, width = document.page(1).image().pixels.shape[:2]
            engine = open_engine(options.engine)
            text = assemble(list(convert(image, options, engine)), engine.name).markdown
        self.sizes.append((width, height))
        words = text.split(" ")
        allowed = min(self.words, body["max_tokens"])
        if len(words) > allowed:
            return completion(" ".join(words[:allowed]), "length")
        return completion(text)
