"""Convert: checkpoint -> fp32 ONNX through optimum, compared with PyTorch on real texts.

After this step the fp32 graph is the reference; PyTorch is only timed.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from optimum.exporters.onnx import onnx_export_from_model
from transformers import PreTrainedModel

from artifact.runtime import Batch, OnnxEngine
from export.checkpoint import Checkpoint
from export.errors import ExportError
from export.measure.quality import score_changes
from export.samples import Sample

PARITY_TOLERANCE: Final = 1e-4
"""Largest accepted difference of a score between PyTorch and fp32 ONNX."""
_OPSET: Final = 18
_BATCH: Final = 8


def convert(model: PreTrainedModel, directory: Path) -> Path:
    """Write the fp32 graph and return its path.

    Raises:
        ExportError: if optimum does not know the architecture, or tracing fails.
    """
    try:
        with _two_token_types(model), warnings.catch_warnings():
            # The tracer warns about every constant shape; check_parity compares the answers.
            warnings.simplefilter("ignore")
            onnx_export_from_model(model, directory, opset=_OPSET, task="text-classification", do_validation=False)
    except (ValueError, RuntimeError, NotImplementedError, KeyError) as error:
        raise ExportError(f"optimum cannot convert this model: {str(error).splitlines()[0]}") from error
    return directory / "model.onnx"


@contextmanager
def _two_token_types(model: PreTrainedModel) -> Iterator[None]:
    """Duplicate the row of a model with one token type: optimum traces with random types 0 and 1."""
    embeddings = getattr(model.base_model, "embeddings", None)
    table = getattr(embeddings, "token_type_embeddings", None)
    if embeddings is None or table is None or table.num_embeddings > 1:
        yield
        return
    weight = table.weight.detach().repeat(2, 1)
    embeddings.token_type_embeddings = torch.nn.Embedding.from_pretrained(weight)  # type: ignore[no-untyped-call] # torch
    try:
        yield
    finally:
        embeddings.token_type_embeddings = table


def check_parity(model: PreTrainedModel, fp32: OnnxEngine, checkpoint: Checkpoint, samples: Sequence[Sample]) -> float:
    """Compare PyTorch and ONNX on texts alone, and padded in batches; return the largest difference.

    Raises:
        ExportError: naming the text, if a score differs by more than ``PARITY_TOLERANCE``.
    """
    largest = 0.0
    by_length = sorted(samples, key=lambda sample: len(sample.ids))
    mixed = [list(by_length[start :: max(1, len(by_length) // _BATCH)]) for start in range(2)]
    for group in [[sample] for sample in by_length] + mixed:
        batch = Batch.of([sample.ids for sample in group], checkpoint.pad_token_id)
        with one_thread():
            expected = torch_logits(model, batch)
        differences = score_changes(checkpoint.head, fp32.run(batch), expected)
        worst = int(differences.argmax())
        largest = max(largest, float(differences[worst]))
        if not differences[worst] <= PARITY_TOLERANCE:  # so that NaN fails
            raise ExportError(
                f"fp32 ONNX differs from PyTorch by {differences[worst]:.2e} (at most {PARITY_TOLERANCE:.0e}), "
                f"{'padded' if len(group) > 1 else 'alone'}, on {group[worst].text[:60]!r}"
            )
    return largest


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one thread, to time it, and because its threads wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def torch_logits(model: PreTrainedModel, batch: Batch) -> NDArray[np.float32]:
    """Return PyTorch's logits, (batch, labels) float32."""
    with torch.inference_mode():
        types = () if batch.token_type_ids is None or not _has_token_types(model) else ("token_type_ids",)
        inputs = batch.feeds(("input_ids", "attention_mask", *types))
        output = model(**{name: torch.from_numpy(values) for name, values in inputs.items()})
        logits: NDArray[np.float32] = output.logits.float().numpy()
    return logits


def _has_token_types(model: PreTrainedModel) -> bool:
    """Return whether a model has embeddings of more than one token type; others do not take them, or know only one."""
    return int(getattr(model.config, "type_vocab_size", 0) or 0) > 1
