"""The worker process: reads pages, one after another, until its parent is gone.

Native code reads what strangers have written, so a page may end the process; it may not end the
service, or the command. Parent and child speak in pickled values, each with its length in front,
over two pipes.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
from contextlib import suppress
from typing import Any, BinaryIO

from ocr.conversion.page import convert_page
from ocr.documents.page_numbers import selected_pages
from ocr.engines.engine import OcrEngine
from ocr.engines.opening import open_engine
from ocr.engines.settings import EngineSettings
from ocr.errors import DocumentRefused, EngineFailed, OcrError
from ocr.workers.kept_document import KeptDocument
from ocr.workers.messages import LENGTH, Answer, Refusal, Task


class _Engines:
    """Engines by their settings, loaded when they are first needed."""

    def __init__(self) -> None:
        self._open: dict[EngineSettings, OcrEngine] = {}

    def of(self, settings: EngineSettings) -> OcrEngine:
        if settings not in self._open:
            self._open[settings] = open_engine(settings)
        return self._open[settings]


def answer(task: Task, engines: _Engines, documents: KeptDocument) -> Answer:
    """Do what is asked."""
    try:
        document = documents.opened(task.document, task.options)
        if task.number is None:
            return selected_pages(task.options.pages, document.page_count)
        page = convert_page(document, task.number, task.options, engines.of(task.options.engine))
        if document.page_count == 1:
            documents.close()  # nothing more of it will be asked for
        return page
    except DocumentRefused as error:
        return Refusal(error.code, str(error))
    except OcrError as error:
        return Refusal(EngineFailed.code, str(error))


def main() -> None:
    """Serve the parent over standard input and output."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not come between the answers.
    os.dup2(2, 1)
    # Ctrl-C in a terminal is for the parent, which ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit = int(sys.argv[1])
    # What is written to, and not address space, of which every thread of an engine sets much aside.
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    engines, documents = _Engines(), KeptDocument()
    # A parent that was killed meanwhile reads no answer; where memory has run out, native code ends
    # the process as well, and the parent takes either for what it is.
    with suppress(BrokenPipeError, MemoryError):
        while (task := _read(requests)) is not None:
            _write(answers, answer(task, engines, documents))


def _read(pipe: BinaryIO) -> Any:
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return pickle.loads(pipe.read(LENGTH.unpack(head)[0]))


def _write(pipe: BinaryIO, value: object) -> None:
    content = pickle.dumps(value)
    pipe.write(LENGTH.pack(len(content)) + content)
    pipe.flush()


if __name__ == "__main__":
    main()
