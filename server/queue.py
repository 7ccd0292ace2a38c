"""The queue: rows that wait, sorted by length, and the choice of those that run together.

Requests take turns in naming the first row of a micro-batch, so a large request is interleaved with small ones and
neither long nor short rows starve. Rows next to it in length join while the cost curve says that one run is cheaper
than two. Equal rows are one row to the engine. The queue knows neither the event loop's tasks nor the engine.
"""

import asyncio
import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass, field

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
class Request:
    """The rows that were admitted together.

    Attributes:
        admitted_at: ``time.perf_counter()`` at admission.
        waiting: its rows that do not run yet.
        runs: seconds of each micro-batch that its rows were in.
    """

    admitted_at: float
    waiting: deque["Item"] = field(default_factory=deque)
    runs: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Item:
    """A row and the future of its logits, (labels,) float32; done at the latest when its request has ended."""

    row: Row
    order: int
    future: asyncio.Future[NDArray[np.float32]]
    request: Request

    @property
    def key(self) -> tuple[int, Row, int]:
        """By length, and equal rows side by side."""
        return len(self.row), self.row, self.order


def _key(item: Item) -> tuple[int, Row, int]:
    return item.key


class Queue:
    """Waiting rows, by length and by turn.

    Args:
        limits: bounds of a micro-batch.
        cost: what a run of so many padded tokens costs here.
    """

    def __init__(self, limits: BatchLimits, cost: CostCurve) -> None:
        self._limits = limits
        self._cost = cost
        self._turns: deque[Request] = deque()
        self._by_length: list[Item] = []
        self.tokens = 0

    def __len__(self) -> int:
        """Return the rows that wait."""
        return len(self._by_length)

    def add(self, item: Item) -> None:
        """Append a row; its request takes its turn behind those that wait already."""
        if not item.request.waiting:
            self._turns.append(item.request)
        item.request.waiting.append(item)
        insort(self._by_length, item, key=_key)
        self.tokens += len(item.row)

    def remove(self, item: Item) -> None:
        """Take a waiting row out."""
        del self._by_length[bisect_left(self._by_length, item.key, key=_key)]
        item.request.waiting.remove(item)
        if not item.request.waiting:
            self._turns.remove(item.request)
        self.tokens -= len(item.row)

    def take(self) -> list[Item]:
        """Take the next micro-batch out; the queue must not be empty."""
        request = self._turns[0]
        self._turns.rotate(-1)
        low, high = self._neighbours(request.waiting[0])
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
