"""The queue: rows that wait, sorted by length, and the choice of those that run together.

Admissions take turns, round-robin, to name the first row of a micro-batch. So a large admission is interleaved with
small ones, and neither long nor short rows starve. Rows of the nearest lengths join while the cost curve says that
one run is cheaper than two, except rows that arrived so much later that the rows between would pay for it. Equal rows
are one row to the engine. The queue knows neither tasks nor the engine.
"""

import asyncio
import itertools
import math
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from artifact.cost_curve import BESIDE_A_RUN_S, CostCurve
from artifact.rows import Row

_MAX_LEAD: Final = 256
"""How far ahead of its arrival order a row may be batched. More candidates would hardly be nearer in length."""

Logits = Sequence[float]
"""The model's output for one row, a number per label; so few that a call of numpy costs more than it saves."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Upper bounds of one micro-batch and of the queue.

    Attributes:
        max_batch_items: different rows in a micro-batch.
        max_batch_tokens: padded tokens in a micro-batch of several rows.
        max_queue_tokens: tokens that wait.
        max_row_tokens: tokens of the longest row that may arrive. A queue with less room than that admits no row, or
            else short rows would take all the room that is left.
    """

    max_batch_items: int
    max_batch_tokens: int
    max_queue_tokens: int
    max_row_tokens: int = 1


@dataclass(slots=True, eq=False)
class Admission:
    """Rows that were admitted together, and their answer.

    Attributes:
        answer: done when every row has its logits or the first has failed.
        logits: of each row; empty until they are computed.
        admitted_at: the batcher's clock at admission, in seconds.
        waiting: the rows that do not run yet, in their order; a set with an order, so its values are None.
        runs: seconds of each micro-batch with one of the rows.
        background: whether it runs only while no other admission waits.
    """

    answer: asyncio.Future[None]
    logits: list[Logits]
    admitted_at: float
    waiting: dict["Item", None] = field(default_factory=dict)
    runs: list[float] = field(default_factory=list)
    background: bool = False
    _missing: int = field(init=False)

    def __post_init__(self) -> None:
        """Count every row as missing."""
        self._missing = len(self.logits)

    def resolve(self, index: int, logits: Logits) -> None:
        """Set a row's logits; the last row completes the answer."""
        self.logits[index] = logits
        self._missing -= 1
        if not self._missing and not self.answer.done():
            self.answer.set_result(None)

    def fail(self, error: Exception) -> None:
        """Complete the answer with an error, unless it is complete."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Item:
    """A row of an admission.

    Args:
        row: its token ids.
        index: its place in the admission.
        admission: the admission that gets its logits.
        order: the number of rows that arrived up to this one.
    """

    __slots__ = ("admission", "index", "key", "order", "row")

    def __init__(self, row: Row, index: int, admission: Admission, order: int) -> None:
        self.row = row
        self.index = index
        self.admission = admission
        self.order = order
        self.key = (len(row), order)
        """Sorts rows by length, then by age."""


_key = attrgetter("key")


class Queue:
    """Waiting rows, sorted by length, and their admissions, round-robin.

    Args:
        limits: bounds of a micro-batch and of the queue.
        cost: seconds of a run by its padded tokens, measured on this machine.

    Attributes:
        tokens: of all rows that wait.
    """

    def __init__(self, limits: BatchLimits, cost: CostCurve) -> None:
        self._limits = limits
        self._cost = cost
        self._round_robin: deque[Admission] = deque()
        self._equals: dict[Row, list[Item]] = {}
        self._by_length: list[Item] = []  # the oldest of each list of equals
        self._waiting = 0
        self.tokens = 0

    def __len__(self) -> int:
        """Return the number of rows that wait."""
        return self._waiting

    @property
    def has_large_admission(self) -> bool:
        """Whether an admission waits with several rows, so that the next one does not wait for the whole queue."""
        return self._waiting > len(self._round_robin)

    @property
    def is_half_full(self) -> bool:
        """Whether more than half of the tokens that may wait do, so that refusals are near."""
        return self.tokens > self._limits.max_queue_tokens / 2

    def add(self, item: Item) -> None:
        """Add a row; a new admission joins the end of the round-robin."""
        if not item.admission.waiting:
            self._round_robin.append(item.admission)
        item.admission.waiting[item] = None
        equals = self._equals.setdefault(item.row, [])
        if not equals:
            insort(self._by_length, item, key=_key)
        equals.append(item)
        self._waiting += 1
        self.tokens += len(item.row)

    def remove(self, item: Item) -> None:
        """Remove a waiting row."""
        equals = self._equals[item.row]
        oldest = equals[0]
        equals.remove(item)
        if not equals:
            del self._equals[item.row]
        if oldest is item:
            del self._by_length[self._place(item.key)]
            if equals:
                insort(self._by_length, equals[0], key=_key)
        self._leave(item)

    def take(self) -> list[list[Item]]:
        """Remove and return the next micro-batch; the queue must not be empty.

        Returns:
            for each different row, all items that wait for it.
        """
        admission = self._round_robin[0]
        self._round_robin.rotate(-1)
        first = self._equals[next(iter(admission.waiting)).row][0]
        chosen = self._with_neighbours(first) if len(self._by_length) > 1 else [first]
        for item in chosen:
            del self._by_length[self._place(item.key)]
        groups = [self._equals.pop(item.row) for item in chosen]
        for item in itertools.chain.from_iterable(groups):
            self._leave(item)
        return groups

    def _leave(self, item: Item) -> None:
        del item.admission.waiting[item]
        if not item.admission.waiting:
            self._round_robin.remove(item.admission)
        self._waiting -= 1
        self.tokens -= len(item.row)

    def _with_neighbours(self, first: Item) -> list[Item]:
        """Return the rows that run with ``first``: the nearest lengths first, and within a length the oldest."""
        chosen, longest = [first], len(first.row)
        longer, shorter = self._longer(first), self._shorter(first)
        up, down = next(longer, None), next(shorter, None)
        while True:
            gain_up, gain_down = (self._gain(len(chosen), longest, item) for item in (up, down))
            if up and gain_up >= max(gain_down, 0.0):
                chosen.append(up)
                longest, up = len(up.row), next(longer, None)
            elif down and gain_down >= 0:
                chosen.append(down)
                down = next(shorter, None)
            else:
                return chosen

    def _longer(self, first: Item) -> Iterator[Item]:
        """Yield the other rows of this length and above, the nearest length first."""
        index = self._place((len(first.row), 0))
        while index < len(self._by_length):
            item = self._by_length[index]
            if item.order > first.order + _MAX_LEAD:
                index = self._place((len(item.row) + 1, 0))
                continue
            if item is not first:
                yield item
            index += 1

    def _shorter(self, first: Item) -> Iterator[Item]:
        """Yield the shorter rows, the nearest length first."""
        end = self._place((len(first.row), 0))
        while end:
            length = len(self._by_length[end - 1].row)
            start = self._place((length, 0))
            yield from self._by_length[start : self._place((length, first.order + _MAX_LEAD + 1), end)]
            end = start

    def _place(self, key: tuple[int, int], end: int | None = None) -> int:
        return bisect_left(self._by_length, key, hi=end, key=_key)

    def _gain(self, rows: int, longest: int, item: Item | None) -> float:
        """Return the seconds saved if an item joins so many rows; negative if it should not join."""
        if item is None or rows == self._limits.max_batch_items:
            return -math.inf
        length = len(item.row)
        joint_tokens = max(longest, length) * (rows + 1)
        if joint_tokens > self._limits.max_batch_tokens:
            return -math.inf
        apart = self._cost.seconds(longest * rows) + self._cost.seconds(length)
        return apart + BESIDE_A_RUN_S - self._cost.seconds(joint_tokens)
