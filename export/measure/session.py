"""Sessions: onnxruntime as the server will run it, on one thread.

Everything that export computes with ONNX goes through here, so that what is measured is what is served.
"""

from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from artifact.manifest import SessionOptions

_LEVELS: Final = {
    "disabled": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_ERRORS_ONLY: Final = 3


class Session:
    """A graph loaded the way the server loads it.

    Args:
        path: the ONNX file.
        options: what the manifest will say about the session.
    """

    def __init__(self, path: Path, options: SessionOptions | None = None) -> None:
        options = options or SessionOptions()
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.inter_op_num_threads = 1
        settings.graph_optimization_level = _LEVELS[options.graph_optimization_level]
        settings.enable_cpu_mem_arena = False  # as the server: it grows without bound on mixed lengths
        settings.log_severity_level = _ERRORS_ONLY
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        for key, value in options.config.items():
            settings.add_session_config_entry(key, value)
        self._session = ort.InferenceSession(
            str(path),
            settings,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=list(options.disabled_optimizers),
        )
        self._inputs = [node.name for node in self._session.get_inputs()]

    def logits(self, batch: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return the first output, (batch, labels) float32; ids of token types are zeros where they are asked for."""
        result: NDArray[np.float32] = self._session.run(None, self._feeds(batch))[0]
        return result

    def tensors(self, names: list[str], batch: dict[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Return the named outputs."""
        result: list[NDArray[np.float32]] = self._session.run(names, self._feeds(batch))
        return result

    def _feeds(self, batch: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
        zeros = np.zeros_like(batch["input_ids"])
        return {name: batch.get(name, zeros) for name in self._inputs}
