"""Rows: the token ids that the model reads together, special tokens included.

A model that reads pairs has a type for each token: 0 for the first text, 1 for the second. The type is packed into the
id, so that a row stays one tuple of numbers: equal rows are equal pairs, for the queue and for the cache. The ids of a
single text are packed as they are.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Row = tuple[int, ...]
"""Token ids of one text, window or pair, special tokens included; each with its type."""

_TYPE_BITS: Final = 24
"""An id has at most 24 bits: no vocabulary has 16 million entries. With a type of up to 127 it fits into 32."""
_TYPE: Final = 1 << _TYPE_BITS


def pack(token_id: int, token_type: int) -> int:
    """Return the number that stands for a token and its type in a row."""
    return token_id + token_type * _TYPE


def is_packed(row: Sequence[int]) -> bool:
    """Return whether any token of a row has a type other than 0."""
    return max(row, default=0) >= _TYPE


def unpack(ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and token types, each in the shape of the packed ids."""
    return ids % _TYPE, ids // _TYPE
