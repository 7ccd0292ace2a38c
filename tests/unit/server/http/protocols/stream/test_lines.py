"""Lines: any chunks of any bytes give the same lines, each of bounded length."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import OverloadedError, SlowBodyError, TextFailedError, TooLargeError, VerdictError
from server.http.arrivals import Arrivals
from server.http.body import Bodies
from server.http.protocols.stream.lines import LineSplitter, message_of, read_line
from tests.support.serving import make_settings

pytestmark = pytest.mark.anyio

BYTES = st.lists(st.sampled_from([b"\n", b"\r\n", b"a", b"\xff", b'{"text":"a"}', b"b" * 9]), max_size=30).map(b"".join)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return bytes in chunks that end at these places."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(ends)]


def split(chunks: list[bytes], max_bytes: int = 1000) -> list[bytes | str]:
    """Return the lines, and the kinds of errors."""
    with LineSplitter(max_bytes, Bodies(1000).begin) as splitter:
        lines: list[bytes | VerdictError] = [line for chunk in chunks for line in splitter.feed(chunk)]
        lines += splitter.end()
    return [line.kind if isinstance(line, VerdictError) else line for line in lines]


@given(BYTES, st.lists(st.integers(0, 200), max_size=8))
def test_chunks_do_not_change_the_lines(data: bytes, places: list[int]) -> None:
    """A line ends with a line feed; the last one may have none."""
    *ended, rest = data.split(b"\n")
    assert [*ended, *([rest] if rest else [])] == split(cut(data, places))


@given(BYTES, st.lists(st.integers(0, 200), max_size=8))
def test_a_long_line_is_skipped_alone(data: bytes, places: list[int]) -> None:
    """However it is cut, the lines around it are read."""
    *ended, rest = data.split(b"\n")
    expected = ["too_large" if len(line) > 8 else line for line in [*ended, *([rest] if rest else [])]]
    assert expected == split(cut(data, places), max_bytes=8)


async def test_a_large_line_shares_the_memory_of_bodies() -> None:
    """Where there is none left it is skipped, and its own memory is free again when it ends."""
    arrivals = Arrivals(100_000)
    with LineSplitter(1_000_000, arrivals.begin) as splitter:
        assert [] == list(splitter.feed(b"a" * 90_000))
        with arrivals.begin() as other, pytest.raises(OverloadedError):
            other.add(20_000)
        (line,) = splitter.feed(b"\n")
        assert 90_000 == len(line)  # type: ignore[arg-type]  # no error
        with arrivals.begin() as other:
            other.add(20_000)
            (refused,) = splitter.feed(b"a" * 90_000 + b"\n")
            assert isinstance(refused, OverloadedError)
    with arrivals.begin() as other:
        other.add(100_000)


async def test_a_large_line_that_stands_still_gives_way_to_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream ends; the other body has the memory."""
    monkeypatch.setattr("server.http.arrivals._STALLED_S", 0.0)
    arrivals = Arrivals(100_000)
    began = asyncio.Event()

    async def read() -> None:
        with LineSplitter(1_000_000, arrivals.begin) as splitter:
            assert [] == list(splitter.feed(b"a" * 90_000))
            began.set()
            await asyncio.Event().wait()

    reading = asyncio.create_task(read())
    await began.wait()
    with arrivals.begin() as other:
        other.add(90_000)
        with pytest.raises(SlowBodyError):
            await asyncio.wait_for(reading, 20)


@pytest.mark.parametrize(
    ("line", "own_id", "kind", "message"),
    [
        (b"{", b"null", "invalid_request", "the line is not JSON: EOF while parsing an object at line 1 column 1"),
        (b"\xff", b"null", "invalid_request", "the line is not JSON: expected value at line 1 column 1"),
        (b'["a"]', b"null", "invalid_request", "line: Input should be an object"),
        (b'{"id": 7}', b"7", "invalid_request", "text: Field required"),
        (b'{"id": {"a": [1.5, null]}, "text": 1}', b'{"a":[1.5,null]}', "invalid_request", "not 1"),
        (b'{"id": "\xc3\xbc", "text": " "}', b'"\xc3\xbc"', "invalid_request", "text: the text is empty"),
        (b'{"id": 1, "text": "\\ud800"}', b"null", "invalid_request", "text: the text holds a lone surrogate"),
        (b'{"id": 1, "text": "a", "truncation": "x"}', b"1", "invalid_request", "truncation: Input should be"),
        (b'{"id": 1, "text": "abcdefghi"}', b"1", "too_large", "the text has 9 characters, at most 8 are taken"),
    ],
)
def test_a_wrong_line_has_an_error_and_its_id(line: bytes, own_id: bytes, kind: str, message: str) -> None:
    """It speaks of the line and not of a body; a line that is no JSON has no id."""
    read = read_line(3, line, make_settings(max_text_chars=8))
    assert read.error is not None
    assert (3, own_id, kind) == (read.number, read.id, read.error.kind)
    assert message in message_of(read.error)


@pytest.mark.parametrize(
    ("line", "own_id", "text", "truncation"),
    [
        (b'{"text": "a"}', b"null", "a", None),
        (b'\xef\xbb\xbf{"text": "a", "id": 12345678901234567890123}\r', b"12345678901234567890123", "a", None),
        (b'{"text": "a", "text_pair": "b", "stars": 5, "truncation": "head"}', b"null", ("a", "b"), "head"),
    ],
)
def test_a_line_says_its_text(line: bytes, own_id: bytes, text: Any, truncation: str | None) -> None:
    """Other columns of a table are ignored; an id comes back as it was."""
    read = read_line(1, line, make_settings())
    assert (own_id, text, truncation, None) == (read.id, read.text, read.truncation, read.error)


def test_an_error_of_the_only_text_is_one_of_the_text() -> None:
    """A caller of streams has not numbered texts."""
    assert message_of(TextFailedError(0)).startswith("the model fails on the text, alone too")
    assert "a text 0 b" == message_of(TooLargeError("a text 0 b"))
