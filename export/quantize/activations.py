"""Activations: the inputs of each product of a graph on calibration texts, and the range to quantize them by.

One pass over the texts finds the extremes of every channel and the moments that weights are rounded by. Texts run
alone and unpadded, as most are served, so that padding does not count.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from artifact.runtime import Batch, OnnxEngine
from export.graph.graph import Graph
from export.samples import Ids

_GROUP_TOKENS: Final = 1024
"""Tokens whose tensors are held at a time; of a model of base width they take 200 MB."""
Range = tuple[float, float]
"""Smallest and largest value of a tensor."""
Channels = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Smallest and largest value of each channel, each (hidden,) float32."""


class Observer:
    """Runs calibration texts through graphs and keeps the figures of each tensor by its name.

    Args:
        rows: token ids of the calibration texts.
        tick: called after every text, for progress.
    """

    def __init__(self, rows: Sequence[Ids], tick: Callable[[], None] = lambda: None) -> None:
        self._rows = rows
        self._tick = tick
        self._channels: dict[str, Channels] = {}
        self._moments: dict[str, NDArray[np.float64]] = {}
        self._tokens: dict[str, int] = {}

    def channels(self, model: onnx.ModelProto) -> dict[str, Channels]:
        """Return the extremes of every channel of every product's input; only tensors not seen before are run."""
        return {name: self._channels[name] for name in self._observe(model)}

    def moments(self, model: onnx.ModelProto) -> dict[str, NDArray[np.float64]]:
        """Return the sum over tokens of the outer product of every product's input, (hidden, hidden) each."""
        return {name: self._moments[name] for name in self._observe(model)}

    def tokens(self) -> dict[str, int]:
        """Return how many rows of each tensor were seen."""
        return dict(self._tokens)

    def ranges(self, model: onnx.ModelProto) -> dict[str, Range]:
        """Return the smallest and largest value of every product's input; 0 is always inside."""
        return {
            name: (min(0.0, float(low.min())), max(0.0, float(high.max())))
            for name, (low, high) in self.channels(model).items()
        }

    def _observe(self, model: onnx.ModelProto) -> list[str]:
        """Run the texts for tensors not seen before; return the names of every product's input."""
        names = _product_inputs(Graph(model))
        for name, values in self._run(model, [name for name in names if name not in self._channels]):
            low, high = values.min(axis=0), values.max(axis=0)
            if name in self._channels:
                low = np.minimum(low, self._channels[name][0])
                high = np.maximum(high, self._channels[name][1])
            self._channels[name] = (low, high)
            self._tokens[name] = self._tokens.get(name, 0) + len(values)
            if name not in self._moments:
                self._moments[name] = np.zeros((values.shape[1], values.shape[1]), np.float64)
            self._moments[name] += values.T @ values
        return names

    def _run(self, model: onnx.ModelProto, names: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each named tensor of some texts together, (tokens, hidden) float32.

        A wide tensor's moments take 75 MB, so adding them up text by text would take longer than their products.
        """
        if not names:
            return
        graph = Graph(model)
        graph.add_outputs(names)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "observed.onnx"
            onnx.save(graph.finish(), path)
            engine = OnnxEngine(path)
        for rows in _groups(self._rows):
            parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
            for row in rows:
                for name, values in zip(names, engine.tensors(names, Batch.of([row], 0)), strict=True):
                    parts[name].append(values.reshape(-1, values.shape[-1]))
                self._tick()
            for name in names:
                yield name, np.concatenate(parts.pop(name))


def _groups(rows: Sequence[Ids]) -> Iterator[list[Ids]]:
    """Yield the rows in groups of about ``_GROUP_TOKENS``."""
    group: list[Ids] = []
    for row in rows:
        group.append(row)
        if sum(map(len, group)) >= _GROUP_TOKENS:
            yield group
            group = []
    if group:
        yield group


def _product_inputs(graph: Graph) -> list[str]:
    """Return the names of the computed tensors that MatMuls with constant weights read."""
    names = (node.input[0] for node in graph.of_type("MatMul") if graph.constant(node.input[1]) is not None)
    return sorted(set(names))
