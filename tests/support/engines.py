"""Engines for tests: answers that identify their rows, and runs that wait at a gate, fail or are recorded."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artifact.runtime import Batch, Engine

PATIENCE_S = 60.0
"""Timeout of a test that waits for an event; a passing test never waits this long."""


class EchoEngine:
    """Answer each row with its first token id and its number of tokens, so a mixed-up answer is visible."""

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return (first id, tokens) per row."""
        answers = np.stack([batch.input_ids[:, 0], batch.attention_mask.sum(axis=1)], axis=1)
        return answers.astype(np.float32)


class GatedEngine:
    """Hold every run of another engine at a gate until the test lets it pass.

    Args:
        engine: answers after the gate has opened.

    Attributes:
        batches: every batch that has reached the gate, in order.
    """

    def __init__(self, engine: Engine) -> None:
        self.batches: list[Batch] = []
        self._engine = engine
        self._passes = 0
        self._open = False
        self._changed = threading.Condition()

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Wait at the gate, then run."""
        with self._changed:
            self.batches.append(batch)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: self._open or self._passes > 0, PATIENCE_S):
                raise TimeoutError("the test never opened the gate")
            self._passes -= not self._open
        return self._engine.run(batch)

    def let_pass(self, runs: int = 1) -> None:
        """Let this many runs pass."""
        with self._changed:
            self._passes += runs
            self._changed.notify_all()

    def open(self) -> None:
        """Let every run pass from now on."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    async def reached(self, runs: int) -> None:
        """Return after this many runs, counted from the first, have reached the gate."""

        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: len(self.batches) >= runs, PATIENCE_S)

        if not await asyncio.to_thread(wait):
            raise TimeoutError(f"only {len(self.batches)} of {runs} runs reached the gate")


class WitnessEngine(EchoEngine):
    """Record the thread and the number of rows of each run.

    Attributes:
        threads: of each run.
        sizes: rows of each run.
        begun: set by the first run.
    """

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.sizes: list[int] = []
        self.begun = asyncio.Event()

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Record and answer."""
        self.threads.append(threading.current_thread())
        self.sizes.append(len(batch.input_ids))
        self.begun.set()
        return super().run(batch)


class PoisonedEngine:
    """Fail every batch that holds a token id.

    Args:
        engine: runs the others.
        poison: the id.
    """

    POISON = 666_666

    def __init__(self, engine: Engine, poison: int = POISON) -> None:
        self._engine = engine
        self._poison = poison

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Run, or fail as a runtime does: with a message that callers must not see."""
        if (batch.input_ids == self._poison).any():
            raise RuntimeError("secret detail of the runtime")
        return self._engine.run(batch)


class FixedEngine:
    """Answer every run with the same logits.

    Args:
        logits: (batch, labels).
    """

    def __init__(self, logits: Sequence[Sequence[float]]) -> None:
        self._logits = np.asarray(logits, dtype=np.float32)

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return the logits that were given."""
        del batch
        return self._logits
