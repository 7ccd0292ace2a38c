"""Logs: lines on standard error, as text or JSON. Values are escaped, texts never appear.

A record is one line, or one for each of its ``lines``: one record a request would cost a busy server percents. As text,
further lines of a record (a traceback's) are indented: nothing but a record of ours begins a line.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import orjson

_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0x0A: "\n    "}
"""Control characters, with which a value could forge a line or command the terminal of who reads it."""


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            document["exception"] = trace.encode(errors="backslashreplace").decode()  # lone surrogates are no JSON
        lines: Sequence[Mapping[str, object]] = getattr(record, "lines", ({},))
        return b"\n".join([orjson.dumps({**document, **fields}) for fields in lines]).decode()


class _TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).translate(_ESCAPES)
        lines = getattr(record, "lines", ())
        return "\n".join([f"{line} {orjson.dumps(fields).decode()}" for fields in lines]) or line


def configure_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Send every record of at least ``level`` to standard error."""
    handler = logging.StreamHandler()
    text = _TextFormatter("%(asctime)s %(levelname)s %(message)s")
    handler.setFormatter(_JsonFormatter() if log_format == "json" else text)
    # As in Python's "Logging HOWTO", Optimization: nobody reads where a record was made, and finding out costs.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its life-cycle lines repeat ours
    logging.getLogger("asyncio").setLevel(logging.WARNING)
