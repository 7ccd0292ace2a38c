"""The ledger: records are written in order, all of them, soon."""

import asyncio

import pytest

from server.observe import ledger
from server.observe.ledger import Ledger

pytestmark = pytest.mark.anyio


async def test_a_flush_writes_each_kind_in_one_call() -> None:
    """Nothing is written before the flush; then each kind is written once, in its order."""
    numbers: list[list[int]] = []
    words: list[list[str]] = []
    book = Ledger()
    for number in range(3):
        book.record(numbers.append, number)
        book.record(words.append, "b")
    assert ([], []) == (numbers, words)
    book.flush()
    book.flush()
    assert ([[0, 1, 2]], [["b", "b", "b"]]) == (numbers, words)


async def test_records_are_written_without_being_asked() -> None:
    """A single record is written by a timer, and so is the first one after a flush."""
    book = Ledger()
    for _ in range(2):
        written = asyncio.Event()
        book.record(lambda _, written=written: written.set(), None)
        await asyncio.wait_for(written.wait(), 10)


async def test_a_burst_does_not_wait_for_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """256 records of any kinds are written in the next iteration of the event loop, and so are the next 256."""
    monkeypatch.setattr(ledger, "_PERIOD_S", 3600.0)
    book = Ledger()
    for _ in range(2):
        written = asyncio.Event()
        kinds = [lambda _, written=written: written.set() for _ in range(2)]
        for number in range(256):
            book.record(kinds[number % 2], number)
        assert not written.is_set()
        await asyncio.wait_for(written.wait(), 10)


async def test_fewer_records_wait_for_the_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """255 records do not disturb the event loop: they wait for the timer."""
    monkeypatch.setattr(ledger, "_PERIOD_S", 3600.0)
    book = Ledger()
    written: list[list[int]] = []
    for number in range(255):
        book.record(written.append, number)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [] == written
    book.flush()
    assert [list(range(255))] == written


async def test_a_record_made_during_a_flush_is_not_lost() -> None:
    """A function that writes may record for the next flush."""
    book = Ledger()
    written: list[list[int]] = []
    book.record(lambda _: book.record(written.append, 1), None)
    book.flush()
    book.flush()
    assert [[1]] == written


async def test_a_kind_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged, and the caller of ``flush`` does not get it."""

    def fail(_: list[int]) -> None:
        raise ValueError("no such series")

    book = Ledger()
    before: list[list[int]] = []
    behind: list[list[int]] = []
    for number, write in enumerate((before.append, fail, behind.append)):
        book.record(write, number)
    book.flush()
    assert ([[0]], [[2]]) == (before, behind)
    assert "no such series" in caplog.text
