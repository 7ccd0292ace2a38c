"""The ledger: what is noted is entered in order, all of it, soon."""

import asyncio

import pytest

from server import ledger
from server.ledger import Ledger

pytestmark = pytest.mark.anyio


async def test_notes_are_entered_in_order_when_settled() -> None:
    """Nothing is entered at once, everything is at ``settle``, and once."""
    entered: list[tuple[str, int]] = []
    book = Ledger()
    for number in range(3):
        book.note(lambda *figures: entered.append(figures), "a", number)
    assert [] == entered
    book.settle()
    book.settle()
    assert [("a", 0), ("a", 1), ("a", 2)] == entered


async def test_notes_are_entered_without_being_asked() -> None:
    """A single note is entered by itself before long, and so is one that comes after a settlement."""
    book = Ledger()
    for _ in range(2):
        entered = asyncio.Event()
        book.note(entered.set)
        await asyncio.wait_for(entered.wait(), 10)


async def test_a_burst_is_entered_at_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many notes at once do not wait for the period, lest entering them holds up everybody else."""
    monkeypatch.setattr(ledger, "_PERIOD_S", 3600.0)
    book = Ledger()
    entered = asyncio.Event()
    for _ in range(ledger._AT_ONCE):
        book.note(entered.set)
    assert not entered.is_set()
    await asyncio.wait_for(entered.wait(), 10)


async def test_a_note_made_while_settling_is_not_lost() -> None:
    """An entry may note another one."""
    book = Ledger()
    entered = asyncio.Event()
    book.note(book.note, entered.set)
    book.settle()
    book.settle()
    assert entered.is_set()


async def test_an_entry_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged, and whoever asked for the settlement does not get it."""

    def fail() -> None:
        raise ValueError("no such series")

    book = Ledger()
    entered: list[int] = []
    for entry in (lambda: entered.append(1), fail, lambda: entered.append(2)):
        book.note(entry)
    book.settle()
    assert [1, 2] == entered
    assert "no such series" in caplog.text
