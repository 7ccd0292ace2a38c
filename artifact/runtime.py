"""The runtime: token ids -> logits with onnxruntime. The one module that opens it.

The server, the export's measurements and the benchmarks all run a graph through this module, so that the same
session is measured and served. ``Batch`` and ``Engine`` are its interface: another runtime implements ``Engine``.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from artifact.manifest import Artifact, ArtifactError, SessionOptions
from artifact.rows import is_packed, unpack

_LEVELS: Final = {
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_SILENT: Final = 4
"""Its log would bypass ours; errors arrive as exceptions with the same words."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of token ids that share one run, padded to the same length.

    Attributes:
        input_ids: (batch, tokens) int64.
        attention_mask: (batch, tokens) int64, 1 for a token and 0 for padding.
        token_type_ids: (batch, tokens) int64; None where all are 0.
    """

    input_ids: NDArray[np.int64]
    attention_mask: NDArray[np.int64]
    token_type_ids: NDArray[np.int64] | None = None

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]], pad_token_id: int, *, least_tokens: int = 0) -> Self:
        """Pad rows of token ids on the right.

        Args:
            rows: of ``artifact.rows``, at least one; all of pairs or none.
            pad_token_id: the id that fills.
            least_tokens: pad to at least this length; by default to the longest row.
        """
        longest = max(least_tokens, *map(len, rows))
        ids = np.full((len(rows), longest), pad_token_id, dtype=np.int64)
        mask = np.zeros((len(rows), longest), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        if is_packed(rows[0]):
            ids, types = unpack(ids)
            return cls(ids, mask, types)
        return cls(ids, mask)

    def feeds(self, inputs: Iterable[str]) -> dict[str, NDArray[np.int64]]:
        """Return the arrays that a graph takes, by input name; others are zeros."""
        arrays = {"input_ids": self.input_ids, "attention_mask": self.attention_mask}
        if self.token_type_ids is not None:
            arrays["token_type_ids"] = self.token_type_ids
        return {name: arrays[name] if name in arrays else np.zeros_like(self.input_ids) for name in inputs}


class Engine(Protocol):
    """Turns a batch into logits. Called from several threads at the same time."""

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return raw logits, (batch, labels) float32."""
        ...


class OnnxEngine:
    """A graph in an onnxruntime session. Safe to call from several threads.

    Args:
        path: the ONNX file, weights included.
        options: as the manifest says; the runtime's defaults where none are given.
        intra_op_threads: threads inside one run.

    Raises:
        ArtifactError: if onnxruntime cannot load the graph.
    """

    def __init__(self, path: Path, options: SessionOptions | None = None, *, intra_op_threads: int = 1) -> None:
        options = options or SessionOptions()
        try:
            self._session = ort.InferenceSession(
                path,
                _session_options(options, intra_op_threads),
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(options.disabled_optimizers),
            )
        except Exception as error:  # onnxruntime raises classes of its own with no common base
            hint = "; its weights must be in it, export it into one file" if "xternal data" in str(error) else ""
            raise ArtifactError(f"onnxruntime can not load {path}: {error}{hint}") from error
        self.inputs = tuple(node.name for node in self._session.get_inputs())
        self._output = [self._session.get_outputs()[0].name]

    @classmethod
    def load(cls, artifact: Artifact, *, intra_op_threads: int) -> Self:
        """Return the engine of a checked artifact.

        Raises:
            ArtifactError: if its graph cannot be loaded, or its inputs or outputs are not the manifest's.
        """
        manifest = artifact.manifest
        engine = cls(artifact.model_path, manifest.session, intra_op_threads=intra_op_threads)
        expected = {tensor.name for tensor in manifest.inputs}
        if set(engine.inputs) != expected:
            raise ArtifactError(
                f"{artifact.model_path} takes the inputs {sorted(engine.inputs)}, its manifest says "
                f"{sorted(expected)}; export it again"
            )
        engine._output = [manifest.outputs[0].name]
        return engine

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """Return raw logits, (batch, labels) float32."""
        logits: NDArray[np.float32] = self._session.run(self._output, batch.feeds(self.inputs))[0]
        return logits

    def tensors(self, names: Sequence[str], batch: Batch) -> list[NDArray[np.float32]]:
        """Return the named outputs of the graph, each in the shape that the graph gives it."""
        result: list[NDArray[np.float32]] = self._session.run(list(names), batch.feeds(self.inputs))
        return result


def _session_options(measured: SessionOptions, intra_op_threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = intra_op_threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = _LEVELS[measured.graph_optimization_level]
    options.enable_cpu_mem_arena = False  # it grows without bound on dynamic shapes (onnxruntime issue 11627)
    options.log_severity_level = _SILENT
    for key, value in measured.config.items():
        options.add_session_config_entry(key, value)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # The checksums do not cover weights in files beside the graph, so the folder to look for them is one without files.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options
