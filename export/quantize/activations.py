"""Activations: what flows into each product of a graph on calibration texts, and the range to quantize it by.

One pass over the texts finds the extremes of every channel and how channels go together, a second fills histograms,
which only some methods need. Texts run alone and unpadded, as most are served: padding is no data.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization.calibrate import HistogramCollector

from artifact.runtime import Batch, OnnxEngine
from export.graph.graph import Graph
from export.samples import Ids

Method = Literal["min-max", "percentile", "entropy"]
Range = tuple[float, float]
Channels = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Smallest and largest value of each channel, each (hidden,) float32."""
_BINS: Final = 2048
_PERCENTILE: Final = 99.99
_QUANTIZED_BINS: Final = 128
"""Bins that the entropy method compares with, the library's default."""


def product_inputs(graph: Graph) -> list[str]:
    """Name the computed tensors that MatMuls with constant weights read."""
    names = (node.input[0] for node in graph.of_type("MatMul") if graph.constant(node.input[1]) is not None)
    return sorted(set(names))


class Observer:
    """Runs calibration texts through graphs and remembers what it saw, by tensor name.

    Args:
        rows: token ids of the calibration texts.
        tick: called after every text, for progress.
    """

    def __init__(self, rows: Sequence[Ids], tick: Callable[[], None] = lambda: None) -> None:
        self._rows = rows
        self._tick = tick
        self._channels: dict[str, Channels] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._moments: dict[str, NDArray[np.float64]] = {}

    def channels(self, model: onnx.ModelProto) -> dict[str, Channels]:
        """Return the extremes of every channel of every product's input, running what was not seen yet."""
        names = self._observe(model)
        return {name: self._channels[name] for name in names}

    def moments(self, model: onnx.ModelProto) -> dict[str, NDArray[np.float64]]:
        """Return the sum over tokens of the outer product of every product's input, (hidden, hidden) each."""
        names = self._observe(model)
        return {name: self._moments[name] for name in names}

    def _observe(self, model: onnx.ModelProto) -> list[str]:
        """Run what was not seen yet; return the names of every product's input."""
        names = product_inputs(Graph(model))
        for name, values in self._run(model, [name for name in names if name not in self._channels]):
            low, high = values.min(axis=0), values.max(axis=0)
            if name in self._channels:
                low = np.minimum(low, self._channels[name][0])
                high = np.maximum(high, self._channels[name][1])
            self._channels[name] = (low, high)
            self._moments[name] = self._moments.get(name, 0) + (values.T @ values).astype(np.float64)
        return names

    def ranges(self, model: onnx.ModelProto, method: Method) -> dict[str, Range]:
        """Return the range to quantize every product's input by, never wider than what was seen."""
        extremes = {name: _extremes(channels) for name, channels in self.channels(model).items()}
        if method == "min-max":
            return extremes
        for name, values in self._run(model, [name for name in extremes if name not in self._counts]):
            bound = max(map(abs, extremes[name]))
            counts = np.histogram(values, _BINS, range=(-bound, bound))[0]
            self._counts[name] = self._counts.get(name, 0) + counts
        choose = _percentile if method == "percentile" else _entropy
        return {name: choose(self._counts[name], *extreme) for name, extreme in extremes.items()}

    def _run(self, model: onnx.ModelProto, names: list[str]) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield each named tensor of each text, (tokens, hidden) float32."""
        if not names:
            return
        graph = Graph(model)
        graph.add_outputs(names)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "observed.onnx"
            onnx.save(graph.finish(), path)
            session = OnnxEngine(path)
        for row in self._rows:
            for name, values in zip(names, session.tensors(names, Batch.of([row], 0)), strict=True):
                yield name, values.reshape(-1, values.shape[-1])
            self._tick()


def _extremes(channels: Channels) -> Range:
    return min(0.0, float(channels[0].min())), max(0.0, float(channels[1].max()))


def _percentile(counts: NDArray[np.int64], low: float, high: float) -> Range:
    """Cut the same small share off both sides."""
    share = np.cumsum(counts) / counts.sum()
    edges = _edges(low, high)
    cut = (100 - _PERCENTILE) / 200
    return _within(low, high, (edges[np.searchsorted(share, cut)], edges[np.searchsorted(share, 1 - cut) + 1]))


def _entropy(counts: NDArray[np.int64], low: float, high: float) -> Range:
    """Let the library find the threshold with the smallest Kullback-Leibler divergence."""
    bound = np.float32(max(abs(low), abs(high)))
    collector = HistogramCollector(
        "entropy", symmetric=False, num_bins=_BINS, num_quantized_bins=_QUANTIZED_BINS, percentile=0, scenario="same"
    )
    histogram = (counts, _edges(low, high), -bound, bound, bound)
    return _within(low, high, collector.get_entropy_threshold(histogram, _QUANTIZED_BINS)[:2])


def _edges(low: float, high: float) -> NDArray[np.float32]:
    bound = max(abs(low), abs(high))
    return np.linspace(-bound, bound, _BINS + 1, dtype=np.float32)


def _within(low: float, high: float, found: Iterable[float]) -> Range:
    found_low, found_high = map(float, found)
    return min(0.0, max(low, found_low)), max(0.0, min(high, found_high))
