"""Pipelines: Hugging Face's text classification pipeline, over PyTorch or over optimum's onnxruntime model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.baselines.app import Predict


def load_transformers(reference: Path) -> Predict:
    """Return a pipeline over PyTorch, fp32."""
    from transformers import pipeline  # noqa: PLC0415 - takes seconds that the other baselines do not spend

    return _predict(pipeline("text-classification", model=str(reference), device="cpu"))


def load_optimum(reference: Path) -> Predict:
    """Return a pipeline over the usual int8 model in onnxruntime."""
    from optimum.onnxruntime import ORTModelForSequenceClassification  # noqa: PLC0415 - as above
    from transformers import AutoTokenizer, pipeline  # noqa: PLC0415 - as above

    model = ORTModelForSequenceClassification.from_pretrained(reference / "int8")
    return _predict(pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(reference)))


def _predict(pipe: Callable[..., list[dict[str, Any]]]) -> Predict:
    def predict(text: str) -> Sequence[float]:
        scores = pipe(text, truncation=True, top_k=None)
        return [score["score"] for score in sorted(scores, key=lambda score: score["label"])]

    return predict
