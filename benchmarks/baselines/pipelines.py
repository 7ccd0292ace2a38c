"""Pipelines: Hugging Face's text classification pipeline, over PyTorch or over optimum's onnxruntime model."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.baselines.app import Predict
from benchmarks.processes.process import can_pin


def load_transformers(reference: Path) -> Predict:
    """Return a pipeline over PyTorch, fp32."""
    from transformers import pipeline  # noqa: PLC0415 - takes seconds that the other baselines do not spend

    return _predict(pipeline("text-classification", model=str(reference), device="cpu"))


def load_optimum(reference: Path) -> Predict:
    """Return a pipeline over the usual int8 model in onnxruntime, with a thread per core that this process may use.

    Left to itself, onnxruntime starts a thread per core of the machine and pins each to its own, the load's among them.
    """
    import onnxruntime as ort  # noqa: PLC0415 - as above
    from optimum.onnxruntime import ORTModelForSequenceClassification  # noqa: PLC0415 - as above
    from transformers import AutoTokenizer, pipeline  # noqa: PLC0415 - as above

    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if can_pin() else 0
    model = ORTModelForSequenceClassification.from_pretrained(reference / "int8", session_options=options)
    return _predict(pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(reference)))


def _predict(pipe: Callable[..., list[dict[str, Any]]]) -> Predict:
    def predict(text: str) -> Sequence[float]:
        scores = pipe(text, truncation=True, top_k=None)
        return [score["score"] for score in sorted(scores, key=lambda score: score["label"])]

    return predict
