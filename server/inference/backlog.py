"""The backlog: rows that wait and rows that run.

Rows of the background, such as those of explanations, have a queue of their own. It gives a micro-batch only while no
other row waits, and one at a time: a prediction that arrives runs before the rest of it, and other workers stay free.

A row that waits in both queues is computed once where its background admission would run beside the other.
"""

from collections.abc import Mapping

from artifact.cost_curve import CostCurve
from artifact.rows import Row
from server.inference.queue import Admission, BatchLimits, Item, Queue

Groups = Mapping[Row, list[Item]]
"""Different rows, each with all items that wait for it."""


class Backlog:
    """Queues of rows, and the rows that run.

    Args:
        limits: bounds of a micro-batch and of the queue of predictions.
        cost: seconds of a run by its padded tokens.

    Attributes:
        queue: rows of predictions that wait.
        background: rows that wait for an empty queue.
        running: rows that run, with the items that wait for each.
    """

    def __init__(self, limits: BatchLimits, cost: CostCurve) -> None:
        self.queue = Queue(limits, cost)
        self.background = Queue(limits, cost)
        self.running: dict[Row, list[Item]] = {}
        self._background_runs: Groups | None = None
        self._admitted = 0

    def __bool__(self) -> bool:
        """Whether there is a micro-batch to run now."""
        return bool(self.queue) or (bool(self.background) and self._background_runs is None)

    def add(self, row: Row, index: int, admission: Admission) -> None:
        """Let a row share the run of an equal one, or wait.

        Args:
            row: token ids.
            index: its place in the admission.
            admission: the admission that gets its logits.
        """
        self._admitted += 1
        item = Item(row, index, admission, self._admitted)
        if row in self.running:
            self.running[row].append(item)
        else:
            self._queue_of(admission).add(item)

    def withdraw(self, admission: Admission) -> None:
        """Remove every row of an admission that waits."""
        queue = self._queue_of(admission)
        for item in list(admission.waiting):
            queue.remove(item)

    def begin(self) -> Groups:
        """Return the next micro-batch, whose rows run from now on; rows that run already join their run."""
        queue = self.queue or self.background
        groups: dict[Row, list[Item]] = {}
        for items in queue.take():
            row = items[0].row
            if row in self.running:
                self.running[row].extend(items)
            else:
                groups[row] = items
        self.running |= groups
        if queue is self.background:
            self._background_runs = groups
        return groups

    def end(self, groups: Groups) -> None:
        """Forget a micro-batch that has run."""
        for row in groups:
            self.running.pop(row, None)
        if groups is self._background_runs:
            self._background_runs = None

    def _queue_of(self, admission: Admission) -> Queue:
        return self.background if admission.background else self.queue
