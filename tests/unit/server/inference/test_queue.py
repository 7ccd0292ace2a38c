"""The queue: which rows run together, and in what order their turn comes."""

import asyncio
from collections.abc import Sequence

import pytest

from server.inference.cost_curve import CostCurve
from server.inference.queue import _MAX_LEAD, Admission, BatchLimits, Item, Queue
from tests.support.batching import BATCHING_PAYS, make_row

pytestmark = pytest.mark.anyio

WIDE = BatchLimits(max_batch_items=4, max_batch_tokens=1_000, max_queue_tokens=1_000_000)


class Line:
    """A queue to which rows come one after the other, each in an admission of its own unless told otherwise."""

    def __init__(self, limits: BatchLimits = WIDE, cost: CostCurve = BATCHING_PAYS) -> None:
        self.queue = Queue(limits, cost)
        self._names = 0

    def come(self, *lengths: int, name: int | None = None) -> list[Item]:
        """Let rows of these lengths come in one admission; each has a name of its own if none is given."""
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
    """Return an empty queue in which a run costs the same whatever is in it."""
    return Line()


def places(groups: Sequence[Sequence[Item]]) -> set[int]:
    """Return which rows run, by the order in which they came from 1."""
    return {item.order for items in groups for item in items}


async def test_of_one_length_the_oldest_join(line: Line) -> None:
    """Those that run with the first are the next in age, so that nobody's wait is made longer by younger ones."""
    for _ in range(9):
        line.come(7)
    assert [{1, 2, 3, 4}, {5, 6, 7, 8}, {9}] == [places(line.queue.take()) for _ in range(3)]


async def test_of_shorter_rows_the_oldest_join_too(line: Line) -> None:
    """Where only shorter rows are left to join, age decides among those of one length as well."""
    line.come(9)
    for _ in range(5):
        line.come(7)
    assert {1, 2, 3, 4} == places(line.queue.take())


async def test_the_nearest_in_length_join_first() -> None:
    """Padding is what is computed for nothing, so a row two tokens away comes after one that is one token away."""
    costs_its_tokens = CostCurve([(1, 11.0), (1_001, 1_011.0)])
    line = Line(cost=costs_its_tokens)
    for length in (20, 23, 18, 21, 19):
        line.come(length)
    assert [20, 21, 19, 18] == line.take()


async def test_what_a_run_costs_beside_the_engine_is_saved_too() -> None:
    """Even where a token costs the same in any batch, rows join as long as padding costs less than another run."""
    microseconds = CostCurve([(tokens, tokens * 100e-6) for tokens in (10, 100, 1000)])
    line = Line(cost=microseconds)
    for length in (20, 20, 22, 25, 27):
        line.come(length)
    assert [[20, 20], [22, 25], [27]] == [line.take() for _ in range(3)]


async def test_nobody_overtakes_too_many(line: Line) -> None:
    """A row that came long after the first does not join it, however well it fits: those between have waited longer."""
    line.come(30)
    for _ in range(_MAX_LEAD - 1):
        line.come(200)
    line.come(30)
    line.come(30)
    line.come(29)
    assert {1, _MAX_LEAD + 1} == {place for place in places(line.queue.take()) if not 1 < place <= _MAX_LEAD}


async def test_a_row_behind_one_that_is_too_young_still_joins(line: Line) -> None:
    """What is skipped because it is too young hides none of the older rows that are longer."""
    line.come(30)
    line.come(31)
    for _ in range(_MAX_LEAD):
        line.come(990)
    line.come(30)
    assert {1, 2} == places(line.queue.take())


async def test_equal_rows_leave_together_wherever_they_stand(line: Line) -> None:
    """All that asked the same get the one row's answer, those that came last too, and count as one row."""
    line.come(8, name=500)
    for _ in range(6):
        line.come(8)
    line.come(8, name=500)
    groups = line.queue.take()
    assert [[1, 8], [2], [3], [4]] == [[item.order for item in items] for items in groups]
    assert (3, 24) == (len(line.queue), line.queue.tokens)


async def test_an_equal_row_stays_when_the_oldest_goes(line: Line) -> None:
    """Whoever asked the same as one who has gone keeps its own place."""
    first, second, third = (line.come(8, name=500)[0] for _ in range(3))
    line.queue.remove(second)
    line.queue.remove(first)
    assert (1, 8) == (len(line.queue), line.queue.tokens)
    assert [[third]] == line.queue.take()
    assert (0, 0) == (len(line.queue), line.queue.tokens)


async def test_admissions_take_turns() -> None:
    """A large admission gives way to a small one after each of its runs."""
    line = Line(BatchLimits(max_batch_items=1, max_batch_tokens=1_000, max_queue_tokens=1_000_000))
    line.come(5, 6, 7)
    line.come(9)
    assert [[5], [9], [6], [7]] == [line.take() for _ in range(4)]
