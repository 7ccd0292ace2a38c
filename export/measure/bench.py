"""Bench: measures built graphs on one checkpoint's held-out texts: all of them on a part, the choice on all."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from artifact.runtime import OnnxEngine
from artifact.scores import Head
from export.build import Built
from export.checkpoint import Checkpoint
from export.graph.convert import one_thread, torch_logits
from export.measure import latency
from export.measure.memory import peak_bytes
from export.measure.quality import BATCH, Quality, batch_variance, logits_alone, quality
from export.measure.select import Gates, Measured, best, failures
from export.progress import Progress
from export.samples import Samples
from export.variants import FP32, PYTORCH

_SCREEN_TEXTS: Final = 400
_SCREEN_INVARIANCE: Final = (40, 4)
"""Texts and rounds for every variant; the choice is proved with ``_PROOF_INVARIANCE``."""
_PROOF_INVARIANCE: Final = (200, 20)


class Bench:
    """Measures built graphs on the measurement texts of one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, head: Head, samples: Samples, gates: Gates, progress: Progress) -> None:
        self._checkpoint = checkpoint
        self._pad = checkpoint.pad_token_id
        self._rows = [sample.ids for sample in samples.measurement]
        self._head = head
        self._labels = samples.truth(head)
        self._certainty = samples.certainty
        self._gates = gates
        self._progress = progress
        self._reference = np.empty((0, len(checkpoint.labels)), np.float32)

    def latencies(self, built: Sequence[Built], model: PreTrainedModel) -> dict[str, latency.Latency]:
        """Time every variant and PyTorch, alternating at each text."""
        runs: dict[str, latency.Run] = {
            row.variant.name: OnnxEngine(row.path, row.variant.session).run for row in built
        }
        runs[PYTORCH] = partial(torch_logits, model)
        max_length = self._checkpoint.max_length
        with one_thread(), self._progress.step("latency, in turns", latency.steps(self._rows, max_length)) as tick:
            return latency.measure(runs, self._rows, max_length=max_length, pad_token_id=self._pad, tick=tick)

    def screen(self, built: Sequence[Built], times: dict[str, latency.Latency]) -> list[Measured]:
        """Measure every variant on a part of the texts, and fp32, the reference, on all of them."""
        part = min(_SCREEN_TEXTS, len(self._rows))
        steps = len(self._rows) + (len(built) - 1) * part
        with self._progress.step("quality of every variant", steps) as tick:
            self._reference = self._logits(
                next(row for row in built if row.variant.name == FP32), len(self._rows), tick
            )
            return [self._measure(row, times[row.variant.name], part, tick) for row in built]

    def measure(self, built: Sequence[Built], times: dict[str, latency.Latency]) -> list[Measured]:
        """Measure more variants on the same part of the texts, once fp32 was measured."""
        part = min(_SCREEN_TEXTS, len(self._rows))
        with self._progress.step("quality of more variants", len(built) * part) as tick:
            return [self._measure(row, times[row.variant.name], part, tick) for row in built]

    def prove(self, rows: Sequence[Measured]) -> tuple[list[Measured], Measured | None]:
        """Prove the best candidate left on all texts, until one passes; return all rows and the proved one."""
        listed = {row.name: row for row in rows}
        while (row := best(listed.values())) is not None:
            proved = listed[row.name] = self.prove_one(row)
            if not proved.failures:
                return list(listed.values()), proved
        return list(listed.values()), None

    def prove_one(self, row: Measured) -> Measured:
        """Judge a candidate on all texts and, if it passes, in batches too."""
        row = replace(row, proved=True)
        with self._progress.step(f"prove {row.name}", len(self._rows)) as tick:
            logits = self._logits(row.built, len(self._rows), tick)
        judged = self._judge(replace(row, quality=self._quality(logits)))
        if judged.failures:
            return judged
        count, rounds = _PROOF_INVARIANCE
        batches = rounds * math.ceil(min(count, len(self._rows)) / BATCH)
        with self._progress.step(f"{row.name} in batches", batches) as tick:
            judged = replace(judged, batch_variance=self._variance(row.built, _PROOF_INVARIANCE, tick))
        return self._judge(judged)

    def _measure(self, built: Built, times: latency.Latency, texts: int, tick: Callable[[], None]) -> Measured:
        logits = self._reference[:texts] if built.variant.name == FP32 else self._logits(built, texts, tick)
        row = Measured(
            built=built,
            latency=times,
            quality=self._quality(logits),
            batch_variance=self._variance(built, _SCREEN_INVARIANCE, lambda: None),
            size_bytes=built.path.stat().st_size,
            peak_bytes=peak_bytes(built.path, built.variant.session, self._checkpoint.max_length),
        )
        return self._judge(row)

    def _judge(self, row: Measured) -> Measured:
        """Return the row with the gates that it fails; fp32 is judged on the same texts."""
        reference = self._quality(self._reference[: row.quality.n])
        if row.quality.main is not None and reference.main is not None:
            row = replace(row, accuracy_gain=row.quality.main - reference.main)
        return replace(row, failures=failures(row, reference, self._gates))

    def _quality(self, logits: NDArray[np.float32]) -> Quality:
        """Compare the logits of the first texts with their labels and with fp32."""
        n = len(logits)
        labels = None if self._labels is None else self._labels[:n]
        return quality(self._head, logits, self._reference[:n], labels, self._certainty[:n])

    def _variance(self, built: Built, invariance: tuple[int, int], tick: Callable[[], None]) -> float:
        count, rounds = invariance
        return batch_variance(
            self._head,
            OnnxEngine(built.path, built.variant.session),
            self._rows[:count],
            self._pad,
            rounds=rounds,
            max_length=self._checkpoint.max_length,
            tick=tick,
        )

    def _logits(self, built: Built, texts: int, tick: Callable[[], None]) -> NDArray[np.float32]:
        engine = OnnxEngine(built.path, built.variant.session)
        return logits_alone(engine, self._rows[:texts], self._pad, tick)
