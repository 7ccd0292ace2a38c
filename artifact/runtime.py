"""The engine: token ids -> logits with onnxruntime.

``Batch`` and ``Engine`` are the waist of the server: whoever wants another runtime implements ``Engine``. This
module knows neither the queue nor the tokenizer.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from artifact.manifest import Artifact, ArtifactError, SessionOptions

_LEVELS = {
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Texts that share one run, padded to the longest.

    Attributes:
        input_ids: (batch, tokens) int64.
        attention_mask: (batch, tokens) int64, 1 for a token and 0 for padding.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], pad_token_id: int) -> Self:
        """Pad rows of token ids to the longest of them."""
        longest = max(len(row) for row in rows)
        ids = np.full((len(rows), longest), pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return cls(ids, mask)


class Engine(Protocol):
    """Whatever turns a batch into logits; called from several threads at the same time."""

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return raw logits, (batch, labels) float32."""
        ...


class OnnxEngine:
    """An onnxruntime session over an artifact's graph.

    Args:
        artifact: checked files and the manifest with the session options that export measured.
        intra_op_threads: threads inside one run.

    Raises:
        ArtifactError: if onnxruntime can not load the graph, or its inputs are not the manifest's.
    """

    def __init__(self, artifact: Artifact, *, intra_op_threads: int) -> None:
        manifest = artifact.manifest
        options = _session_options(manifest.session, intra_op_threads)
        try:
            self._session = ort.InferenceSession(
                artifact.model_path,
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(manifest.session.disabled_optimizers),
            )
        except Exception as error:  # onnxruntime raises classes of its own with no common base
            hint = "; its weights must be in it, export it into one file" if "xternal data" in str(error) else ""
            raise ArtifactError(f"onnxruntime can not load {artifact.model_path}: {error}{hint}") from error
        self._inputs = {tensor.name for tensor in manifest.inputs}
        self._output = manifest.outputs[0].name
        found = {node.name for node in self._session.get_inputs()}
        if found != self._inputs:
            raise ArtifactError(
                f"{artifact.model_path} takes the inputs {sorted(found)}, its manifest says {sorted(self._inputs)}; "
                "export it again"
            )

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return raw logits, (batch, labels) float32. Safe to call from several threads."""
        feeds = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        logits: NDArray[np.float32] = self._session.run([self._output], feeds)[0]
        return logits


def _session_options(measured: SessionOptions, intra_op_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = _LEVELS[measured.graph_optimization_level]
    options.enable_cpu_mem_arena = False  # it grows without bound on dynamic shapes (onnxruntime issue 11627)
    options.log_severity_level = 4  # its lines go past our log, and errors come as exceptions with the same words
    for key, value in measured.config.items():
        options.add_session_config_entry(key, value)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # No checksum covers weights that a graph names beside itself: they are looked for where nothing can be.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options
