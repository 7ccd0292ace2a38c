"""The cost curve: what a run of so many padded tokens costs on this very machine, measured at warm-up.

Batching pays while a run is dominated by its fixed cost and stops paying where it outgrows the caches: on one
core that was at about 256 padded tokens, elsewhere it is elsewhere. So the batcher asks the curve.
"""

import math
import time
from collections.abc import Sequence
from typing import Final, Self

import numpy as np

from artifact.runtime import Batch, Engine

_ROW_TOKENS: Final = 32
"""Tokens per row when several rows are measured: a long sentence, which batches profit most from."""
_POINTS: Final = (8, 16, 32, 64, 128, 256, 512)
_REPEATED_TOKENS: Final = 256
"""Short runs are repeated until they make up so many tokens: they are the noisiest and cost the least."""
_LEAST_RUNS: Final = 5
_MOST_RUNS: Final = 8
BESIDE_A_RUN_S: Final = 0.35e-3
"""What a run costs outside the engine: its arrays, its figures, its turns of the event loop. Measured as the CPU time
of closed loops of 16 callers with 1.5 and with 5 texts in a run."""
_NEAR_BEST: Final = 1.06
_LITTLE_MORE: Final = 1.25


class CostCurve:
    """Seconds of a run: a fixed part, and the same for every padded token.

    A line, because a run's cost is one to within its noise as far as batching pays, and because rows join by the
    small differences between points: from points as they were measured, batches of sentences came out as anything
    from 2 to 4 texts, with every start anew.

    Args:
        points: measured (padded tokens, seconds), ascending in tokens; at least two.
        row_tokens: tokens of a row in them; a micro-batch of several rows leaves half a row of its size unfilled, on
            average.

    Attributes:
        points: as given.
        best_tokens: the smallest size of a micro-batch in which a token costs at most 6 % more than in the cheapest,
            all that a run costs counted.
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
        """Return the best size, or the largest below it that takes no longer, if a token there costs little more."""
        short = [size for size, cost in self.points if size <= self.best_tokens and cost <= seconds]
        if not short:
            return self.best_tokens
        dear = self._filled_cost[short[-1]] > _LITTLE_MORE * self._filled_cost[self.best_tokens]
        return self.best_tokens if dear else short[-1]

    def seconds(self, padded_tokens: int) -> float:
        """Return the engine's part of the cost of a run."""
        return self._fixed + self._per_token * padded_tokens

    @classmethod
    def measure(cls, engine: Engine, *, pad_token_id: int, max_length: int) -> Self:
        """Run the engine over a range of shapes, a few times each, and keep each one's fastest run.

        The shapes cover what callers send, so this is the warm-up too.
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
    """Return the seconds of the fastest of a few runs by padded tokens: others are slower only because of noise.

    Counted is this thread's own processor time, which neither a busy neighbour nor a CPU quota stretches. Sizes take
    turns from the first to the last, because a moment in which the machine is slow or fast would make those that it
    falls on look dear or cheap.
    """
    fastest: dict[int, float] = {}
    for turn in range(_MOST_RUNS):
        for batch in batches:
            tokens = batch.input_ids.size
            runs = min(_MOST_RUNS, max(_LEAST_RUNS, _REPEATED_TOKENS // tokens))
            if turn * runs % _MOST_RUNS >= runs:
                continue
            started = time.thread_time()
            engine.run(batch)
            fastest[tokens] = min(time.thread_time() - started, fastest.get(tokens, math.inf))
    return fastest
