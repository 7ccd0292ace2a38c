"""The queue: rows that wait, sorted by length, and the choice of those that run together.

Admissions take turns in naming the first row of a micro-batch, so a large one is interleaved with small ones and
neither long nor short rows starve. Rows next to it in length join while the cost curve says that one run is cheaper
than two. Equal rows are one row to the engine. The queue knows neither the event loop's tasks nor the engine.
"""

import asyncio
import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from server.cost_curve import CostCurve

Row = tuple[int, ...]
"""Token ids of one text or window, special tokens included."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one micro-batch and the queue may hold."""

    max_batch_items: int
    max_batch_tokens: int
    max_queue_tokens: int


@dataclass(slots=True, eq=False)
class Admission:
    """The rows that were admitted together, and what has become of them.

    Attributes:
        answer: done when every row has its logits or the first has failed.
        logits: per row (labels,) float32, once it has been computed.
        admitted_at: ``time.perf_counter()`` at admission.
        waiting: the rows that do not run yet, in their order; the values mean nothing.
        runs: seconds of each micro-batch that rows were in.
    """

    answer: asyncio.Future[None]
    logits: list[NDArray[np.float32] | None]
    admitted_at: float
    waiting: dict["Item", None] = field(default_factory=dict)
    runs: list[float] = field(default_factory=list)
    _missing: int = field(init=False)

    def __post_init__(self) -> None:
        """Miss every row."""
        self._missing = len(self.logits)

    def settle(self, index: int, logits: NDArray[np.float32]) -> None:
        """Note a row's logits; the last one completes the answer."""
        self.logits[index] = logits
        self._missing -= 1
        if not self._missing and not self.answer.done():
            self.answer.set_result(None)

    def fail(self, error: Exception) -> None:
        """End the answer with an error, unless it has ended already."""
        if not self.answer.done():
            self.answer.set_exception(error)


class Item:
    """A row of an admission.

    Args:
        row: its token ids.
        index: its place in the admission.
        admission: to whom its logits are owed.
        order: counts rows in the order in which they came.
    """

    __slots__ = ("admission", "index", "key", "row")

    def __init__(self, row: Row, index: int, admission: Admission, order: int) -> None:
        self.row = row
        self.index = index
        self.admission = admission
        self.key = (len(row), row, order)
        """By length, and equal rows side by side."""


_key = attrgetter("key")


class Queue:
    """Waiting rows, by length and by turn.

    Args:
        limits: bounds of a micro-batch.
        cost: what a run of so many padded tokens costs here.
    """

    def __init__(self, limits: BatchLimits, cost: CostCurve) -> None:
        self._limits = limits
        self._cost = cost
        self._turns: deque[Admission] = deque()
        self._by_length: list[Item] = []
        self.tokens = 0

    def __len__(self) -> int:
        """Return the rows that wait."""
        return len(self._by_length)

    def add(self, item: Item) -> None:
        """Append a row; its admission takes its turn behind those that wait already."""
        if not item.admission.waiting:
            self._turns.append(item.admission)
        item.admission.waiting[item] = None
        insort(self._by_length, item, key=_key)
        self.tokens += len(item.row)

    def remove(self, item: Item) -> None:
        """Take a waiting row out."""
        del self._by_length[bisect_left(self._by_length, item.key, key=_key)]
        del item.admission.waiting[item]
        if not item.admission.waiting:
            self._turns.remove(item.admission)
        self.tokens -= len(item.row)

    def take(self) -> list[Item]:
        """Take the next micro-batch out; the queue must not be empty."""
        admission = self._turns[0]
        self._turns.rotate(-1)
        low, high = self._neighbours(next(iter(admission.waiting)))
        items = self._by_length[low:high]
        for item in items:
            self.remove(item)
        return items

    def _neighbours(self, first: Item) -> tuple[int, int]:
        """Return the slice of rows around ``first`` that run together, nearest in length first."""
        low = bisect_left(self._by_length, first.key, key=_key)
        high = low + 1
        rows = 1
        while True:
            shorter, longer = self._gain(low, high, rows, low - 1), self._gain(low, high, rows, high)
            if max(shorter, longer) < 0:
                return low, high
            step_down = shorter >= longer
            joined = self._by_length[low - 1 if step_down else high].row
            rows += joined != self._by_length[low if step_down else high - 1].row
            low, high = (low - 1, high) if step_down else (low, high + 1)

    def _gain(self, low: int, high: int, rows: int, index: int) -> float:
        """Return the seconds saved if the row at ``index`` joins the slice; negative where it should not."""
        if not 0 <= index < len(self._by_length):
            return -math.inf
        row = self._by_length[index].row
        if row == self._by_length[low if index < low else high - 1].row:
            return math.inf
        longest = len(self._by_length[high - 1].row)
        joint_tokens = max(longest, len(row)) * (rows + 1)
        if rows == self._limits.max_batch_items or joint_tokens > self._limits.max_batch_tokens:
            return -math.inf
        apart = self._cost.seconds(longest * rows) + self._cost.seconds(len(row))
        return apart - self._cost.seconds(joint_tokens)
