"""Logs: lines on standard error, as text or JSON. Values are escaped, texts never appear.

A record is one line, or one for each of its ``lines``, pairs of a time (seconds since the epoch) and fields: one record
for each request would cost a busy server percents. As text, further lines of a record (a traceback's) are indented, so
that every line that is not indented begins a record.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import orjson

from server.observe.stream import BackgroundHandler

_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {0x0A: "\n    "}
"""Control characters, with which a value could forge a line or command the reader's terminal."""

_Lines = Sequence[tuple[float, Mapping[str, object]]]


class _Clock:
    """Local times to the millisecond.

    Args:
        write_second: from a local time in whole seconds to text with ``{}`` where its milliseconds belong.
    """

    def __init__(self, write_second: Callable[[datetime], str]) -> None:
        self._write_second = write_second
        self._second = -1
        self._text = ""

    def tell(self, time_s: float) -> str:
        """Return a time since the epoch. Lines come in batches, so its second is mostly that of the line before."""
        second, ms = divmod(int(time_s * 1000), 1000)
        if second != self._second:
            self._second, self._text = second, self._write_second(datetime.fromtimestamp(second).astimezone())
        return self._text.format(f"{ms:03d}")


class _JsonFormatter(logging.Formatter):
    """One JSON document a line, with its time as in RFC 3339."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = _Clock(lambda second: f"{second:%Y-%m-%dT%H:%M:%S}.{{}}{second.isoformat()[19:]}")

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            document["exception"] = trace.encode(errors="backslashreplace").decode()  # lone surrogates are no JSON
        lines: _Lines = getattr(record, "lines", ((record.created, {}),))
        return b"\n".join(
            [orjson.dumps({"time": self._clock.tell(time_s), **document, **fields}) for time_s, fields in lines]
        ).decode()


class _TextFormatter(logging.Formatter):
    """Lines for people, with the fields as JSON at their ends."""

    def __init__(self) -> None:
        super().__init__("%(levelname)s %(message)s")
        self._clock = _Clock(lambda second: f"{second:%Y-%m-%d %H:%M:%S},{{}}")

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record).translate(_ESCAPES)
        lines: _Lines | None = getattr(record, "lines", None)
        if lines is None:
            return f"{self._clock.tell(record.created)} {line}"
        return "\n".join(
            [f"{self._clock.tell(time_s)} {line} {orjson.dumps(fields).decode()}" for time_s, fields in lines]
        )


def configure_logging(level: str, log_format: Literal["text", "json"]) -> BackgroundHandler:
    """Send every record of at least ``level`` to standard error; return what writes them."""
    handler = BackgroundHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _TextFormatter())
    # As in Python's "Logging HOWTO", Optimization: where a record was made is not written, and finding it out costs.
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its life-cycle lines repeat ours
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    return handler
