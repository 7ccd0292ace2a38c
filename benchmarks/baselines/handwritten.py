"""Handwritten: a server that a careful developer writes in an hour, with tokenizers and onnxruntime.

It serves the same artifact as Verdict, so the difference is the server alone. It opens its own session, as its author
would: this is the competitor, not our engine.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from tokenizers import Tokenizer

from artifact.manifest import read_manifest
from artifact.scores import softmax
from benchmarks.baselines.app import Predict


def load(artifact: Path) -> Predict:
    """Return the function."""
    manifest = read_manifest(artifact)
    tokenizer = Tokenizer.from_file(str(artifact / "tokenizer.json"))
    tokenizer.enable_truncation(manifest.max_length)
    tokenizer.no_padding()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(
        artifact / "model.onnx", options, disabled_optimizers=list(manifest.session.disabled_optimizers)
    )

    def predict(text: str) -> Sequence[float]:
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        (logits,) = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        probabilities: list[float] = softmax(logits)[0].tolist()
        return probabilities

    return predict
