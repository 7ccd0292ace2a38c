"""``python -m benchmarks.processes.loop_child KIND ARTIFACT [MODELS]``: the program behind ``loops``.

It writes a line when it has loaded. Then it reads a line of JSON, measures and writes a line of JSON, until its input
ends. The kind ``BARE`` runs in the server's environment; the other kinds are engines, one of which needs torch.

- ``BARE`` reads texts and writes ``{"seconds": wall time of each, "cpu_s": CPU seconds of all}``.
- An engine reads ``{"batches": token ids, "seconds": length of the turn}`` and writes the CPU seconds of each batch. On
  one thread they are the wall time on a core without other processes.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from artifact.manifest import Artifact, load_artifact
from artifact.pairs import load_tokenization
from artifact.runtime import Batch, OnnxEngine

BARE: Final = "bare"
TORCH: Final = "PyTorch eager fp32"
FP32: Final = "ONNX fp32"
USUAL_INT8: Final = "usual int8"
ARTIFACT: Final = "this artifact"
ENGINES: Final = (TORCH, FP32, USUAL_INT8, ARTIFACT)

Measure = Callable[[Any], Any]
Run = Callable[[Batch], object]

_SETTLED_S: Final = 0.02
"""Measured: runs of 16 tokens take 2.0 ms after another engine's turn, and 1.3 ms from 20 ms on."""
_LONG_S: Final = 0.2


def main() -> None:
    """Answer until the input ends."""
    kind, directory, *models = sys.argv[1:]
    artifact = load_artifact(Path(directory))
    measure = _bare(artifact) if kind == BARE else _engine(_load(kind, artifact, Path(*models)), artifact)
    _write(None)
    for line in sys.stdin:
        _write(measure(json.loads(line)))


def _write(answer: object) -> None:
    print(json.dumps(answer), flush=True)  # noqa: T201 - to the parent


def _bare(artifact: Artifact) -> Measure:
    manifest = artifact.manifest
    tokenization = load_tokenization(artifact)
    engine = OnnxEngine.load(artifact, intra_op_threads=1)
    for tokens in (8, 32, 128, manifest.max_length):  # the first run of a length is slower
        engine.run(Batch.of([[manifest.pad_token_id] * min(tokens, manifest.max_length)], manifest.pad_token_id))

    def measure(texts: Sequence[str]) -> dict[str, Any]:
        seconds = []
        cpu_before = time.process_time()
        for text in texts:
            started = time.perf_counter()
            (tokenized,) = tokenization.encode([text], manifest.truncation)
            for window in tokenized.windows:
                engine.run(Batch.of([window], manifest.pad_token_id))
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds, "cpu_s": time.process_time() - cpu_before}

    return measure


def _engine(run: Run, artifact: Artifact) -> Measure:
    def measure(turn: dict[str, Any]) -> list[float]:
        batches = [Batch.of(rows, artifact.manifest.pad_token_id) for rows in turn["batches"]]
        return _take_turn(run, batches, turn["seconds"])

    return measure


def _take_turn(run: Run, batches: Sequence[Batch], seconds: float) -> list[float]:
    """Return the CPU seconds of each batch.

    A turn lasts at least ``seconds`` of CPU time and one pass over the batches. The previous process leaves cold
    caches, which cost the first runs of a short text half of their time; a process that serves has warm ones. So a turn
    goes on until one run began after the caches had settled, unless a run is so long that cold caches do not matter.
    """
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
    """Return the median time of a batch's runs; of those that began with settled caches if there are any.

    Args:
        runs: seconds from the start of the turn, and seconds taken.
    """
    settled = [seconds for began, seconds in runs if began >= _SETTLED_S]
    return statistics.median(settled or [seconds for _, seconds in runs])


def _load(engine: str, artifact: Artifact, models: Path) -> Run:
    if engine == ARTIFACT:
        return OnnxEngine.load(artifact, intra_op_threads=1).run
    if engine == TORCH:
        return _torch(models)
    return OnnxEngine(models / ("fp32" if engine == FP32 else "int8") / "model.onnx").run


def _torch(directory: Path) -> Run:
    import torch  # noqa: PLC0415 - only this engine's environment must have it
    from transformers import AutoModelForSequenceClassification  # noqa: PLC0415 - as above

    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(directory).eval()

    def run(batch: Batch) -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(batch.input_ids), torch.from_numpy(batch.attention_mask)).logits

    return run


if __name__ == "__main__":
    main()
