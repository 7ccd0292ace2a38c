"""The ledger: what is noted is entered in order, all of it, soon."""

import asyncio

import pytest

from server.observe import ledger
from server.observe.ledger import Ledger

pytestmark = pytest.mark.anyio


async def test_notes_are_entered_together_when_settled() -> None:
    """Nothing is entered at once, everything is at ``settle``, and once: each kind in one call, in its order."""
    entered: list[list[int]] = []
    others: list[list[str]] = []
    book = Ledger()
    for number in range(3):
        book.note(entered.append, number)
        book.note(others.append, "b")
    assert ([], []) == (entered, others)
    book.settle()
    book.settle()
    assert ([[0, 1, 2]], [["b", "b", "b"]]) == (entered, others)


async def test_notes_are_entered_without_being_asked() -> None:
    """A single note is entered by itself before long, and so is one that comes after a settlement."""
    book = Ledger()
    for _ in range(2):
        entered = asyncio.Event()
        book.note(lambda _, entered=entered: entered.set(), None)
        await asyncio.wait_for(entered.wait(), 10)


async def test_a_burst_is_entered_at_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many notes at once do not wait for the period, lest entering them holds up everybody else; twice."""
    monkeypatch.setattr(ledger, "_PERIOD_S", 3600.0)
    book = Ledger()
    for _ in range(2):
        entered = asyncio.Event()
        kinds = [lambda _, entered=entered: entered.set() for _ in range(2)]
        for number in range(ledger._AT_ONCE):
            book.note(kinds[number % 2], number)
        assert not entered.is_set()
        await asyncio.wait_for(entered.wait(), 10)


async def test_a_note_made_while_settling_is_not_lost() -> None:
    """An entry may note another one."""
    book = Ledger()
    entered: list[list[int]] = []
    book.note(lambda _: book.note(entered.append, 1), None)
    book.settle()
    book.settle()
    assert [[1]] == entered


async def test_a_kind_that_fails_takes_no_other_with_it(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged, and whoever asked for the settlement does not get it."""

    def fail(_: list[int]) -> None:
        raise ValueError("no such series")

    book = Ledger()
    before: list[list[int]] = []
    behind: list[list[int]] = []
    for number, entry in enumerate((before.append, fail, behind.append)):
        book.note(entry, number)
    book.settle()
    assert ([[0]], [[2]]) == (before, behind)
    assert "no such series" in caplog.text
