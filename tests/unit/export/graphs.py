"""Graphs made from the tiny ones, for tests that import onnx."""

from pathlib import Path

import onnx

from artifact.manifest import SessionOptions
from artifact.runtime import OnnxEngine
from export.graph.fuse import Fusions, fuse
from export.graph.graph import Graph
from export.rewrites.apply import Rewrite
from tests.unit.export.conftest import TinyGraph


def fused(tiny: TinyGraph) -> onnx.ModelProto:
    """Return a tiny graph with attention and GELU fused, as the candidates start from."""
    return fuse(tiny.path, Fusions(attention=True, gelu=True))


def rewritten(tiny: TinyGraph, *rewrites: Rewrite) -> tuple[onnx.ModelProto, list[bool]]:
    """Return a tiny graph after rewrites, and which of them found their pattern."""
    model = fused(tiny)
    applied = []
    for rewrite in rewrites:
        graph = Graph(model)
        applied.append(rewrite(graph))
        model = graph.finish()
    return model, applied


def loaded(model: onnx.ModelProto, path: Path, options: SessionOptions | None = None) -> OnnxEngine:
    """Write a model and load it."""
    onnx.save(model, path)
    return OnnxEngine(path, options)
