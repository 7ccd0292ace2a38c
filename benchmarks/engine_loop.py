"""``python -m benchmarks.engine_loop ARTIFACT REFERENCE``: the process behind ``benchmarks.engines``.

It holds every engine at once, so that they can take turns. It reads lines of JSON, ``{"engine": name, "batches":
[[[ids]]]}``, and answers each with a line: the CPU seconds that each batch took. On one thread they are what the
clock would say if nobody else had the core.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from benchmarks.engines import ENGINES
from server.artifact import load_artifact
from server.engine import Batch, OnnxEngine

Run = Callable[[Batch], object]


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_loop", description=main.__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("reference", type=Path)
    options = parser.parse_args()
    artifact = load_artifact(options.artifact)
    pad_token_id = artifact.manifest.pad_token_id
    runs = (
        _torch(options.reference),
        _onnx(options.reference / "fp32" / "model.onnx"),
        _onnx(options.reference / "int8" / "model.onnx"),
        OnnxEngine(artifact, intra_op_threads=1).run,
    )
    engines: dict[str, Run] = dict(zip(ENGINES, runs, strict=True))
    print(json.dumps([]), flush=True)  # noqa: T201 - tells the parent that the engines are loaded
    for line in sys.stdin:
        request = json.loads(line)
        engine = engines[request["engine"]]
        print(json.dumps(_time(engine, request["batches"], pad_token_id)), flush=True)  # noqa: T201 - the answer


def _time(run: Run, batches: list[list[list[int]]], pad_token_id: int) -> list[float]:
    seconds = []
    for rows in batches:
        batch = Batch.of(rows, pad_token_id)
        started = time.process_time()
        run(batch)
        seconds.append(time.process_time() - started)
    return seconds


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
