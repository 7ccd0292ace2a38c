"""Tiny graphs for export's tests, converted once per run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.runtime import Batch

ARCHITECTURES = ("bert", "distilbert", "roberta")


@dataclass(frozen=True)
class TinyGraph:
    """A converted tiny classifier whose answers depend on its input: its weights are scaled up."""

    path: Path
    max_length: int
    pad_token_id: int
    vocabulary: int

    def batch(self, draw: np.random.Generator) -> Batch:
        """Return a random batch of mixed lengths, padded on the right."""
        lengths = draw.integers(3, self.max_length + 1, draw.integers(1, 5))
        rows = [tuple(draw.integers(5, self.vocabulary, length).tolist()) for length in lengths]
        return Batch.of(rows, self.pad_token_id)


@pytest.fixture(scope="session")
def foreign_graph(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TinyGraph]:
    """Return a function: tiny foreign architecture, more of its configuration -> its fp32 graph, converted once."""
    for module in ("torch", "onnx", "optimum.onnxruntime"):
        pytest.importorskip(module)
    from export.checkpoint import read_checkpoint  # noqa: PLC0415 - onnx may be missing where this file is collected
    from export.graph.convert import convert  # noqa: PLC0415 - as above
    from tests.support.architectures import build_foreign  # noqa: PLC0415 - as above

    @cache
    def graph(architecture: str, **settings: Any) -> TinyGraph:
        folder = tmp_path_factory.mktemp(architecture)
        found = read_checkpoint(build_foreign(folder / "model", architecture, **settings))
        path = convert(found.model, folder / "onnx")
        return TinyGraph(path, found.max_length, found.pad_token_id, found.model.config.vocab_size)

    return graph


@pytest.fixture(scope="session")
def tiny_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TinyGraph]:
    """One fp32 graph per architecture, three labels each."""
    for module in ("torch", "onnx", "optimum.onnxruntime"):
        pytest.importorskip(module)
    from export.checkpoint import read_checkpoint  # noqa: PLC0415 - onnx may be missing where this file is collected
    from export.graph.convert import convert  # noqa: PLC0415 - as above
    from tests.support.checkpoints import build_checkpoint  # noqa: PLC0415 - as above

    graphs = {}
    for name in ARCHITECTURES:
        folder = tmp_path_factory.mktemp(name)
        found = read_checkpoint(
            build_checkpoint(folder / "checkpoint", architecture=name, labels=("a", "b", "c"))  # type: ignore[arg-type] # a literal
        )
        model: Any = found.model
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.data.mul_(12)  # random weights of 0.02 would answer every text alike
        path = convert(model, folder / "onnx")
        graphs[name] = TinyGraph(path, found.max_length, found.pad_token_id, model.config.vocab_size)
    return graphs
