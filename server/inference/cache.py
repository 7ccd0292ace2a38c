"""The cache: logits of rows that were computed before. The least recently used row is dropped first.

A cached answer is exact, because a row's logits do not depend on its batch.
"""

from collections import OrderedDict

import numpy as np

from artifact.rows import Row
from server.inference.queue import Logits


class LogitsCache:
    """Logits by row.

    Args:
        capacity: rows kept at most, 4 bytes per token and about 300 more each. 0: keep none.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._entries: OrderedDict[bytes, Logits] = OrderedDict()

    def __bool__(self) -> bool:
        """Return whether rows are kept at all."""
        return self._capacity > 0

    def __len__(self) -> int:
        """Return the number of rows kept."""
        return len(self._entries)

    def get(self, row: Row) -> Logits | None:
        """Return the row's logits, or None if they are not kept."""
        key = _key(row)
        logits = self._entries.get(key)
        if logits is not None:
            self._entries.move_to_end(key)
        return logits

    def put(self, row: Row, logits: Logits) -> None:
        """Keep the row's logits, unless the capacity is 0."""
        if self:
            self._entries[_key(row)] = logits
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)


def _key(row: Row) -> bytes:
    return np.array(row, dtype=np.int32).tobytes()
