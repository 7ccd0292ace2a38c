"""Graphs: builds one architecture's graphs as export does, and measures them in turns on one core.

Texts are random token ids, because time depends on their number alone. Eight calibrate and twelve others measure, so
the largest change is that of twelve texts.
"""

import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from artifact.runtime import Batch, OnnxEngine
from artifact.scores import Head
from benchmarks.architectures.classifiers import ARCHITECTURES, LABELS, MAX_LENGTH, PAD_TOKEN_ID, build
from benchmarks.architectures.figures import CASES, INT8, ArchitectureFigures, GraphFigures, TriedRewrite
from export.build import Builder, Built, build_all
from export.graph.convert import convert
from export.measure.latency import one_core, typical_ms
from export.measure.memory import peak_bytes
from export.measure.quality import batch_variance, logits_alone, score_changes
from export.progress import Progress, quiet_libraries
from export.quantize.activations import Observer
from export.rewrites.check import check_answers
from export.samples import Ids
from export.variants import BASELINES, CANDIDATES, FP32

_HEAD: Final = Head(LABELS)
_LENGTHS: Final = (6, 12, 22, 22, 22, 30, 40, 64, 90, 130, 200, 250)
_SHORT, _LONG, _MIXED = 2, 10, slice(0, 8)
"""Places of the cases among these lengths."""
_CALIBRATING: Final = 8
"""Texts that calibrate, up to 64 tokens."""
_VARIANTS: Final = (*BASELINES, next(variant for variant in CANDIDATES if variant.name == INT8))
_SPECIAL_IDS: Final = 5
_VARIANCE_ROUNDS: Final = 4


def measure(
    name: str, width: int, layers: int, *, vocabulary: int | None, rounds: int, progress: Progress
) -> ArchitectureFigures:
    """Measure one architecture; an error of any library becomes the reason in its figures.

    Args:
        name: of the architecture.
        width: of a token's vector.
        layers: transformer layers.
        vocabulary: tokens; the architecture's own where None.
        rounds: turns of each graph at each case.
        progress: shows the steps.
    """
    started = time.monotonic()
    encoder = ARCHITECTURES[name].encoder
    try:
        with TemporaryDirectory(prefix="verdict-architecture-") as folder, quiet_libraries():
            return _measure(
                name, width, layers, vocabulary=vocabulary, rounds=rounds, folder=Path(folder), progress=progress
            )
    except Exception as error:  # torch, optimum, onnx and onnxruntime raise many classes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return ArchitectureFigures(name, encoder, seconds=time.monotonic() - started, error=reason)


def _measure(
    name: str, width: int, layers: int, *, vocabulary: int | None, rounds: int, folder: Path, progress: Progress
) -> ArchitectureFigures:
    started = time.monotonic()
    with progress.step(f"{name}: convert to ONNX", 1):
        model = build(name, width, layers, vocabulary)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        fp32 = convert(model, folder / FP32)
        tokens = int(model.config.vocab_size)
        del model
    calibrating, rows = _rows(tokens, seed=1)[:_CALIBRATING], _rows(tokens, seed=2)
    check = partial(check_answers, rows=rows[::2], head=_HEAD, pad_token_id=PAD_TOKEN_ID, folder=folder)
    builder = Builder(fp32, folder, Observer(calibrating), check, max_length=MAX_LENGTH)
    built, unbuilt = build_all(builder, _VARIANTS, progress)
    graphs, int8 = _figures(built, rows, rounds, progress), {row.variant.name: row for row in built}.get(INT8)
    return ArchitectureFigures(
        name,
        ARCHITECTURES[name].encoder,
        parameters,
        graphs,
        () if int8 is None else [TriedRewrite(row.name, row.applied, row.note) for row in int8.rewrites],
        0 if int8 is None else peak_bytes(int8.path, int8.variant.session, MAX_LENGTH),
        time.monotonic() - started,
        unbuilt.get(INT8, ""),
    )


def _rows(vocabulary: int, seed: int) -> list[Ids]:
    """Return random texts of all lengths, without padding ids."""
    draw = np.random.default_rng(seed)
    return [tuple(draw.integers(_SPECIAL_IDS, vocabulary, tokens).tolist()) for tokens in _LENGTHS]


def _figures(built: Sequence[Built], rows: Sequence[Ids], rounds: int, progress: Progress) -> dict[str, GraphFigures]:
    engines = {row.variant.name: OnnxEngine(row.path, row.variant.session) for row in built}
    batches = [Batch.of(group, PAD_TOKEN_ID) for group in ([rows[_SHORT]], [rows[_LONG]], rows[_MIXED])]
    times = _times_ms(engines, batches, rounds, progress)
    reference = logits_alone(engines[FP32], rows, PAD_TOKEN_ID)
    figures = {}
    with progress.step("changes of answers", len(built)) as tick:
        for row in built:
            name, engine = row.variant.name, engines[row.variant.name]
            changes = score_changes(_HEAD, logits_alone(engine, rows, PAD_TOKEN_ID), reference)
            variance = batch_variance(_HEAD, engine, rows, PAD_TOKEN_ID, rounds=_VARIANCE_ROUNDS, max_length=MAX_LENGTH)
            figures[name] = GraphFigures(times[name], row.path.stat().st_size, float(changes.max()), variance)
            tick()
    return figures


def _times_ms(
    engines: Mapping[str, OnnxEngine], batches: Sequence[Batch], rounds: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """Return the processor time of every graph at every case; the graphs take turns in random order."""
    times = np.empty((len(engines), rounds, len(batches)))
    order = list(enumerate(engines.values()))
    draw = random.Random(0)  # noqa: S311 - not cryptography
    with one_core(), progress.step("time, in turns", rounds) as tick:
        for turn in range(rounds):
            for place, batch in enumerate(batches):
                draw.shuffle(order)
                for index, engine in order:
                    times[index, turn, place] = _time_ms(engine, batch)
            tick()
    typical = typical_ms(times).tolist()
    return {name: dict(zip(CASES, row, strict=True)) for name, row in zip(engines, typical, strict=True)}


def _time_ms(engine: OnnxEngine, batch: Batch) -> float:
    """Return the faster of two runs after a warm one: the caches held the weights of another graph."""
    times = []
    for _ in range(3):
        start = time.thread_time()
        engine.run(batch)
        times.append(time.thread_time() - start)
    return min(times[1:]) * 1e3
