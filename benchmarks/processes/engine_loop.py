"""``python -m benchmarks.processes.engine_loop ENGINE ARTIFACT REFERENCE``.

The process behind ``benchmarks.measurements.engines``.

It holds one engine, as a process that serves does. It reads lines of JSON, ``{"batches": [[[ids]]], "seconds": s}``,
a turn each, and answers with a line: the CPU seconds that each batch takes. On one thread they are what the clock
would say if nobody else had the core.

A turn lasts at least so many CPU seconds and one pass over the batches. Whoever had the core before has left it a cold
cache, which costs the first runs of a short text half of their time; a process that serves has it warm. The median is
taken of the runs that begin after the cache has settled, and a turn goes on until there is one, unless a run takes so
long that a cold cache is lost in it.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from artifact.manifest import Artifact, load_artifact
from artifact.runtime import Batch, OnnxEngine
from benchmarks.measurements.engines import ARTIFACT, ENGINES, FP32, TORCH

Run = Callable[[Batch], object]

_SETTLED_S: Final = 0.02
"""Measured: runs of 16 tokens take 2.0 ms after another engine's turn, and 1.3 ms from 20 ms on."""
_LONG_S: Final = 0.2


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes.engine_loop", description=main.__doc__)
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("reference", type=Path)
    options = parser.parse_args()
    artifact = load_artifact(options.artifact)
    engine = _load(options.engine, artifact, options.reference)
    print(json.dumps([]), flush=True)  # noqa: T201 - tells the parent that the engine is loaded
    for line in sys.stdin:
        turn = json.loads(line)
        batches = [Batch.of(rows, artifact.manifest.pad_token_id) for rows in turn["batches"]]
        print(json.dumps(_take_turn(engine, batches, turn["seconds"])), flush=True)  # noqa: T201 - the answer


def _take_turn(run: Run, batches: Sequence[Batch], seconds: float) -> list[float]:
    """Return the CPU seconds that each batch takes."""
    runs: list[list[tuple[float, float]]] = [[] for _ in batches]
    began = time.process_time()
    while True:
        for batch, times in zip(batches, runs, strict=True):
            started = time.process_time()
            run(batch)
            times.append((started - began, time.process_time() - started))
        taken = time.process_time() - began
        if taken >= seconds and (runs[0][-1][0] >= _SETTLED_S or taken >= _LONG_S):
            return [typical(times) for times in runs]


def typical(runs: Sequence[tuple[float, float]]) -> float:
    """Return the median of a batch's runs, of those that began after the cache had settled if there are any.

    Args:
        runs: when each began and how long it took, in seconds.
    """
    settled = [seconds for began, seconds in runs if began >= _SETTLED_S]
    return statistics.median(settled or [seconds for _, seconds in runs])


def _load(name: str, artifact: Artifact, reference: Path) -> Run:
    if name == ARTIFACT:
        return OnnxEngine.load(artifact, intra_op_threads=1).run
    if name == TORCH:
        return _torch(reference)
    return _onnx(reference / ("fp32" if name == FP32 else "int8") / "model.onnx")


def _torch(directory: Path) -> Run:
    import torch  # noqa: PLC0415 - after the fast imports, so that mistakes in the arguments show at once
    from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    def run(batch: Batch) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)).logits

    return run


def _onnx(path: Path) -> Run:
    """The usual session: defaults, but one thread, as the artifact's has."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = {node.name for node in session.get_inputs()}

    def run(batch: Batch) -> list[Any]:
        feeds: dict[str, NDArray[np.int64]] = {
            "input_ids": batch.input_ids,
            "attention_mask": batch.attention_mask,
            "token_type_ids": np.zeros_like(batch.input_ids),
        }
        answer: list[Any] = session.run(None, {name: feeds[name] for name in names})
        return answer

    return run


if __name__ == "__main__":
    main()
