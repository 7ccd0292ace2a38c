"""The queue: which rows run together, and in which order."""

import asyncio
import sys
from collections.abc import Sequence

import pytest

from artifact.cost_curve import CostCurve
from server.inference.queue import Admission, BatchLimits, Item, Queue
from tests.support.batching import BATCHING_PAYS, make_row

pytestmark = pytest.mark.anyio

WIDE = BatchLimits(max_batch_items=4, max_batch_tokens=1_000, max_queue_tokens=1_000_000)


class Line:
    """A queue to which rows come one after the other, with names and an order of their own."""

    def __init__(self, limits: BatchLimits = WIDE, cost: CostCurve = BATCHING_PAYS) -> None:
        self.queue = Queue(limits, cost)
        self._names = 0

    def come(self, *lengths: int, name: int | None = None) -> list[Item]:
        """Add rows of these lengths as one admission; each row has another name if none is given."""
        admission = Admission(asyncio.get_running_loop().create_future(), [()] * len(lengths), 0.0)
        items = []
        for index, length in enumerate(lengths):
            self._names += 1
            items.append(Item(make_row(name or self._names, length), index, admission, self._names))
            self.queue.add(items[-1])
        return items

    def take(self) -> list[int]:
        """Return the lengths of the rows that run next."""
        return [len(items[0].row) for items in self.queue.take()]


@pytest.fixture
async def line() -> Line:
    """Return an empty queue in which every run costs the same."""
    return Line()


def places(groups: Sequence[Sequence[Item]]) -> set[int]:
    """Return which rows run, numbered from 1 in the order in which they came."""
    return {item.order for items in groups for item in items}


async def test_the_oldest_rows_of_a_length_join(line: Line) -> None:
    """The rows that run with the first are the next oldest, so younger rows make no row wait longer."""
    for _ in range(9):
        line.come(7)
    assert [{1, 2, 3, 4}, {5, 6, 7, 8}, {9}] == [places(line.queue.take()) for _ in range(3)]


async def test_the_oldest_of_shorter_rows_join_too(line: Line) -> None:
    """If only shorter rows are left to join, age decides within a length as well."""
    line.come(9)
    for _ in range(5):
        line.come(7)
    assert {1, 2, 3, 4} == places(line.queue.take())


async def test_a_micro_batch_may_be_as_large_as_its_limits() -> None:
    """Padded tokens up to the limit join, one more does not."""
    line = Line(BatchLimits(max_batch_items=4, max_batch_tokens=20, max_queue_tokens=1_000))
    for length in (10, 10, 11, 10):
        line.come(length)
    assert [[10, 10], [11], [10]] == [line.take() for _ in range(3)]


async def test_rows_of_the_nearest_lengths_join_first() -> None:
    """Padding is wasted work, so a row two tokens away comes after one that is one token away."""
    costs_its_tokens = CostCurve([(1, 11.0), (1_001, 1_011.0)])
    line = Line(cost=costs_its_tokens)
    for length in (20, 23, 18, 21, 19):
        line.come(length)
    assert [20, 21, 19, 18] == line.take()


async def test_overhead_outside_inference_is_saved_too() -> None:
    """Even if a token costs the same in any batch, rows join while padding costs less than the overhead of a run."""
    microseconds = CostCurve([(tokens, tokens * 100e-6) for tokens in (10, 100, 1000)])
    line = Line(cost=microseconds)
    for length in (20, 20, 22, 25, 27):
        line.come(length)
    assert [[20, 20], [22, 25], [27]] == [line.take() for _ in range(3)]


async def test_shorter_rows_join_while_their_padding_costs_less_than_a_run() -> None:
    """At 100 microseconds a token, 3 tokens of padding cost less than the overhead of a run, 4 more."""
    line = Line(cost=CostCurve([(tokens, tokens * 100e-6) for tokens in (10, 100, 1000)]))
    for length in (20, 17, 16):
        line.come(length)
    assert [[20, 17], [16]] == [line.take() for _ in range(2)]


@pytest.mark.parametrize("length", [29, 30, 31])
async def test_no_row_overtakes_more_than_256_others(line: Line, length: int) -> None:
    """A row that came long after the first does not join it even if it fits: the rows between waited longer."""
    line.come(30)
    for _ in range(255):
        line.come(990)
    line.come(length)
    line.come(length)
    assert {1, 257} == {place for place in places(line.queue.take()) if not 1 < place < 257}


async def test_an_older_row_behind_one_that_is_too_young_still_joins(line: Line) -> None:
    """A row that is skipped because it is too young hides no older, longer row."""
    line.come(30)
    line.come(31)
    for _ in range(256):
        line.come(990)
    line.come(30)
    assert {1, 2} == places(line.queue.take())


async def test_equal_rows_leave_together_however_late_they_came(line: Line) -> None:
    """All equal rows share one row of the run, the last ones too, and count as one row."""
    line.come(8, name=500)
    for _ in range(6):
        line.come(8)
    line.come(8, name=500)
    groups = line.queue.take()
    assert [[1, 8], [2], [3], [4]] == [[item.order for item in items] for items in groups]
    assert (3, 24) == (len(line.queue), line.queue.tokens)


async def test_an_equal_row_stays_when_the_oldest_goes(line: Line) -> None:
    """An equal row keeps its own place when the caller of an older one has gone."""
    first, second, third = (line.come(8, name=500)[0] for _ in range(3))
    line.queue.remove(second)
    line.queue.remove(first)
    assert (1, 8) == (len(line.queue), line.queue.tokens)
    assert [[third]] == line.queue.take()
    assert (0, 0) == (len(line.queue), line.queue.tokens)


async def test_a_row_that_is_removed_leaves_nothing_behind(line: Line) -> None:
    """Callers that go fill no memory with their rows."""
    row = make_row(1, 8)
    references = sys.getrefcount(row)
    item = Item(row, 0, Admission(asyncio.get_running_loop().create_future(), [()], 0.0), 1)
    line.queue.add(item)
    line.queue.remove(item)
    del item
    assert references == sys.getrefcount(row)


async def test_the_next_oldest_equal_row_takes_the_place_of_one_that_goes(line: Line) -> None:
    """Its age counts from then on, not that of the equal row that came last."""
    first, second = (line.come(8, name=500)[0] for _ in range(2))
    (other,) = line.come(8)
    (last,) = line.come(8, name=500)
    line.queue.remove(first)
    assert [[second, last], [other]] == line.queue.take()
    assert (0, 0) == (len(line.queue), line.queue.tokens)


async def test_admissions_take_turns() -> None:
    """A large admission gives way to a small one after each of its runs."""
    line = Line(BatchLimits(max_batch_items=1, max_batch_tokens=1_000, max_queue_tokens=1_000_000))
    line.come(5, 6, 7)
    line.come(9)
    assert [[5], [9], [6], [7]] == [line.take() for _ in range(4)]
