"""The cost curve: seconds of a run by its padded tokens, measured on this machine at warm-up.

Batching pays while the fixed cost dominates a run, and stops paying where a run outgrows the CPU caches. On one core
that was at about 256 padded tokens; other machines differ, so the queue asks the curve.
"""

import math
import time
from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from artifact.runtime import Batch, Engine

_ROW_TOKENS: Final = 32
"""Tokens per row when several rows are measured: a long sentence, which profits most from batching."""
_POINTS: Final = (8, 16, 32, 64, 128, 256, 512)
_REPEATED_TOKENS: Final = 256
"""A shape is run until its runs have so many tokens together: short runs are the noisiest and the cheapest."""
_LEAST_RUNS: Final = 5
_MOST_RUNS: Final = 8
BESIDE_A_RUN_S: Final = 0.35e-3
"""Overhead of a run outside inference: its arrays, its figures, its iterations of the event loop. Source: CPU time of
closed loops of 16 callers, with 1.5 against 5 texts per run."""
_NEAR_BEST: Final = 1.06
"""A smaller size of micro-batch is preferred if a token costs no more than this times the cheapest."""
_LITTLE_MORE: Final = 1.25
"""A size that runs within a time limit is preferred if a token costs no more than this times the best size."""


class CostCurve:
    """Seconds of a run: a fixed part, and an equal part for every padded token.

    The curve is a line, fitted to the measured points. As far as batching pays, a run's cost is a line to within its
    noise. Rows join by small differences between sizes: with the points as measured, batches of the same sentences
    had 2 to 4 texts, another number at every start.

    Args:
        points: measured (padded tokens, seconds), ascending in tokens; at least two.
        row_tokens: tokens per row in points of several rows. A micro-batch leaves half a row unfilled on average.

    Attributes:
        points: as given.
        best_tokens: the smallest size of a micro-batch in which a token costs at most 6 % more than in the cheapest,
            overhead outside inference included.
    """

    def __init__(self, points: Sequence[tuple[int, float]], row_tokens: int = _ROW_TOKENS) -> None:
        self.points = tuple(points)
        tokens, seconds = np.array(points, dtype=np.float64).T
        filled = np.where(tokens > row_tokens, tokens - row_tokens / 2, tokens)
        per_token = (np.interp(filled, tokens, seconds) + BESIDE_A_RUN_S) / filled
        self._filled_cost = dict(zip(tokens.astype(int).tolist(), per_token.tolist(), strict=True))
        self.best_tokens = int(tokens[per_token <= per_token.min() * _NEAR_BEST][0])
        pays = tokens <= max(self.best_tokens, points[1][0])
        slope, fixed = np.polyfit(tokens[pays], seconds[pays], 1, w=1 / seconds[pays])
        self._per_token, self._fixed = max(float(slope), 0.0), max(float(fixed), 0.0)

    def best_tokens_within(self, seconds: float) -> int:
        """Return the largest size up to the best that runs within so many seconds.

        Returns:
            padded tokens; the best size itself if no size is short enough, or if a token costs over 25 % more there.
        """
        short = [size for size, cost in self.points if size <= self.best_tokens and cost <= seconds]
        if not short:
            return self.best_tokens
        dear = self._filled_cost[short[-1]] > _LITTLE_MORE * self._filled_cost[self.best_tokens]
        return self.best_tokens if dear else short[-1]

    def seconds(self, padded_tokens: int) -> float:
        """Return the seconds of inference in a run; overhead outside inference is not included."""
        return self._fixed + self._per_token * padded_tokens

    @classmethod
    def measure(cls, engine: Engine, *, pad_token_id: int, max_length: int) -> Self:
        """Run the engine on shapes of 8 to 512 padded tokens and on the longest row: this is the warm-up too.

        Args:
            engine: its runs are timed.
            pad_token_id: the token id that all rows consist of.
            max_length: tokens of the longest row that the model reads.
        """
        row_tokens = min(_ROW_TOKENS, max_length)
        batches = []
        for tokens in _POINTS:
            rows = max(1, tokens // row_tokens)
            batches.append(Batch.of([[pad_token_id] * min(tokens, row_tokens)] * rows, pad_token_id))
        fastest = _fastest(engine, batches)
        engine.run(Batch.of([[pad_token_id] * max_length], pad_token_id))
        return cls(sorted(fastest.items()), row_tokens)


def _fastest(engine: Engine, batches: Sequence[Batch]) -> dict[int, float]:
    """Return by padded tokens the seconds of the fastest of 5 to 8 runs: the others are slower because of noise.

    It counts this thread's CPU time, which neither a busy neighbour nor a CPU quota stretches. The sizes alternate
    throughout, so that a moment in which the machine is slow or fast affects all of them.
    """
    fastest: dict[int, float] = {}
    for repetition in range(_MOST_RUNS):
        for batch in batches:
            tokens = batch.input_ids.size
            runs = min(_MOST_RUNS, max(_LEAST_RUNS, _REPEATED_TOKENS // tokens))
            if repetition * runs % _MOST_RUNS >= runs:
                continue
            started = time.thread_time()
            engine.run(batch)
            fastest[tokens] = min(time.thread_time() - started, fastest.get(tokens, math.inf))
    return fastest
