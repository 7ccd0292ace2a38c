"""Logs: one line per request or event, whatever is in it."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal

import pytest

from server.observe.log import configure_logging


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Put back the handlers and levels that the test changes."""
    names = (None, "uvicorn.error", "asyncio")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers = list(logging.getLogger().handlers)
    yield
    logging.getLogger().handlers = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def written(capfd: pytest.CaptureFixture[str]) -> str:
    """Return what the handler of the root logger has written."""
    logging.getLogger().handlers[0].flush()
    return capfd.readouterr().err


TIME_S = 1_790_000_000.0425


def test_text_lines_carry_their_fields_as_json(capfd: pytest.CaptureFixture[str]) -> None:
    """A line for people: time, level, message, and the fields in one place."""
    configure_logging("info", "text")
    logging.getLogger("server").info("listening on %s", "x")
    logging.getLogger("server.access").info("answered", extra={"lines": [(TIME_S, {"status": 200})]})
    first, second = written(capfd).splitlines()
    assert first.endswith(" INFO listening on x")
    assert second.endswith(' INFO answered {"status":200}')


def test_json_lines_are_documents(capfd: pytest.CaptureFixture[str]) -> None:
    """A line for machines: one JSON document, fields beside the message, a line feed escaped."""
    configure_logging("debug", "json")
    logging.getLogger("server.access").debug("two\nlines", extra={"lines": [(TIME_S, {"status": 200})]})
    (line,) = written(capfd).splitlines()
    document = json.loads(line)
    assert ("debug", "server.access", "two\nlines", 200) == tuple(
        document[name] for name in ("level", "logger", "message", "status")
    )


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_record_of_several_requests_has_a_line_for_each(
    log_format: Literal["text", "json"], capfd: pytest.CaptureFixture[str]
) -> None:
    """Each is a whole line, as if it stood alone."""
    lines = [(TIME_S, {"status": 200}), (TIME_S + 61, {"status": 503})]
    configure_logging("info", log_format)
    access = logging.getLogger("server.access")
    access.info("answered", extra={"lines": lines})
    for line in lines:
        access.info("answered", extra={"lines": [line]})
    output = written(capfd).splitlines()
    assert 4 == len(output)
    assert output[:2] == output[2:]
    assert "503" in output[1]


@pytest.fixture
def _in_nepal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set local time to UTC+05:45."""
    monkeypatch.setenv("TZ", "<+0545>-05:45")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_in_nepal")
@pytest.mark.parametrize(
    ("log_format", "expected"),
    [
        ("text", ["2026-09-21 19:58:20,042 INFO", "2026-09-21 19:58:20,007 INFO", "2026-09-21 19:59:21,000 INFO"]),
        (
            "json",
            [
                '{"time":"2026-09-21T19:58:20.042+05:45",',
                '{"time":"2026-09-21T19:58:20.007+05:45",',
                '{"time":"2026-09-21T19:59:21.000+05:45",',
            ],
        ),
    ],
)
def test_every_line_has_its_own_time(
    log_format: Literal["text", "json"], expected: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Lines that are written together each tell when their request ended: local time, as JSON with its offset."""
    configure_logging("info", log_format)
    lines: list[tuple[float, dict[str, object]]] = [(TIME_S + after, {}) for after in (0.0, -0.035, 60.958)]
    logging.getLogger("server.access").info("answered", extra={"lines": lines})
    output = written(capfd).splitlines()
    assert expected == [line[: len(start)] for line, start in zip(output, expected, strict=True)]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_other_records_have_the_time_at_which_they_were_made(
    log_format: Literal["text", "json"], capfd: pytest.CaptureFixture[str]
) -> None:
    """A record without lines of its own is of now."""
    configure_logging("info", log_format)
    before = datetime.now().astimezone()
    logging.getLogger("server").info("now")
    (line,) = written(capfd).splitlines()
    told = json.loads(line)["time"] if log_format == "json" else line[:23].replace(",", ".")
    assert timedelta(milliseconds=-1) <= datetime.fromisoformat(told).astimezone() - before < timedelta(seconds=20)


def test_json_lines_hold_the_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """An exception is part of its record, not forty lines behind it."""
    configure_logging("info", "json")
    try:
        int("inside")
    except ValueError:
        logging.getLogger("server").error("failed", exc_info=sys.exc_info())
    (line,) = written(capfd).splitlines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


def test_what_is_below_the_level_is_not_written(capfd: pytest.CaptureFixture[str]) -> None:
    """The level counts for every logger, and uvicorn's own life-cycle lines are never repeated."""
    configure_logging("warning", "text")
    logging.getLogger("server").info("quiet")
    configure_logging("debug", "text")
    logging.getLogger("uvicorn.error").info("quiet")
    assert "" == written(capfd)


FORGED = "a\n2026-01-01 00:00:00,000 ERROR forged\r\x1b[2K\x9b"


def test_no_value_forges_a_text_line(capfd: pytest.CaptureFixture[str]) -> None:
    """Line feeds in a message or an exception begin no record, and no control character reaches a terminal."""
    configure_logging("info", "text")
    logging.getLogger("server").error("failed on %s", FORGED, exc_info=ValueError(FORGED))
    first, *others = written(capfd).splitlines()
    assert first.endswith(" ERROR failed on a")
    assert 3 == len(others)
    assert [] == [line for line in others if not line.startswith("    ")]
    assert set() == {character for line in others for character in line} & {"\r", "\x1b", "\x9b"}


def test_no_exception_breaks_a_json_line(capfd: pytest.CaptureFixture[str]) -> None:
    """An exception with a line feed or half a character is one line that parses."""
    configure_logging("info", "json")
    logging.getLogger("server").error("failed", exc_info=ValueError(f"{FORGED} \ud800"))
    (line,) = written(capfd).splitlines()
    assert json.loads(line)["exception"].endswith(r" \ud800")
