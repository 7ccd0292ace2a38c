"""Pipelines: the text classification pipeline of Hugging Face, with PyTorch or with optimum's onnxruntime model."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.baselines.app import Predict
from benchmarks.processes.placement import can_pin


def load_transformers(models: Path) -> Predict:
    """Return a pipeline with PyTorch, fp32."""
    from transformers import pipeline  # noqa: PLC0415 - takes seconds that the other baselines do not need

    return _predict(pipeline("text-classification", model=str(models), device="cpu"))


def load_optimum(models: Path) -> Predict:
    """Return a pipeline with the usual int8 model in onnxruntime, with one thread per core of this process.

    By default onnxruntime starts and pins a thread per core of the machine, the cores of the load included.
    """
    import onnxruntime as ort  # noqa: PLC0415 - as above
    from optimum.onnxruntime import ORTModelForSequenceClassification  # noqa: PLC0415 - as above
    from transformers import AutoTokenizer, pipeline  # noqa: PLC0415 - as above

    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if can_pin() else 0
    model = ORTModelForSequenceClassification.from_pretrained(models / "int8", session_options=options)
    return _predict(pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(models)))


def _predict(pipe: Callable[..., list[dict[str, Any]]]) -> Predict:
    def predict(text: str) -> Sequence[float]:
        scores = pipe(text, truncation=True, top_k=None)
        return [score["score"] for score in sorted(scores, key=lambda score: score["label"])]

    return predict
