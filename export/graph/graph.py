"""Graph: an ONNX model whose nodes and constants can be found, added, removed and redirected.

A thin layer over onnxruntime's ``OnnxModel``, which prunes and sorts. All rewrites use it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.transformers.onnx_model import OnnxModel

MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's own operators (ContribOperators.md)."""
_SHARED_BYTES: Final = 1024
"""Smaller constants are not worth comparing."""
Attribute = int | float | str | bytes | list[int]


class Graph:
    """An editable copy of a model.

    Args:
        model: left as it is.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        self._model = OnnxModel(copy)

    @property
    def nodes(self) -> list[onnx.NodeProto]:
        """All nodes, in the order of the file."""
        return list(self._model.model.graph.node)

    @property
    def inputs(self) -> list[str]:
        """Names of the graph's inputs."""
        return [value.name for value in self._model.model.graph.input]

    @property
    def output(self) -> str:
        """Name of the first output."""
        return str(self._model.model.graph.output[0].name)

    def of_type(self, *types: str) -> list[onnx.NodeProto]:
        """Return the nodes of the given operator types, in the order of the file."""
        return [node for node in self.nodes if node.op_type in types]

    def producers(self) -> dict[str, onnx.NodeProto]:
        """Return the node that computes each tensor."""
        return {name: node for node in self.nodes for name in node.output}

    def consumers(self) -> dict[str, list[onnx.NodeProto]]:
        """Return the nodes that read each tensor."""
        found: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                found.setdefault(name, []).append(node)
        return found

    def constant(self, name: str) -> NDArray[Any] | None:
        """Return the value of an initializer or Constant node, None for a computed tensor."""
        value: NDArray[Any] | None = self._model.get_constant_value(name) if name else None
        return value

    def attributes(self, node: onnx.NodeProto) -> dict[str, Attribute]:
        """Return the attributes of a node."""
        return {item.name: helper.get_attribute_value(item) for item in node.attribute}

    def add_constant(self, name: str, value: NDArray[Any]) -> str:
        """Add an initializer and return its name."""
        self._model.add_initializer(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def add(self, kind: str, inputs: Iterable[str], output: str, *, domain: str = "", **attributes: Attribute) -> str:
        """Add a node named after its output and return the output's name."""
        node = helper.make_node(kind, list(inputs), [output], name=f"{output}/{kind}", domain=domain, **attributes)
        self._model.add_node(node)
        return output

    def clone(self, node: onnx.NodeProto, inputs: Iterable[str], output: str) -> str:
        """Add a node of the same kind, with the same attributes, and return its output's name."""
        return self.add(node.op_type, inputs, output, domain=node.domain, **self.attributes(node))

    def remove(self, nodes: Iterable[onnx.NodeProto]) -> None:
        """Remove nodes."""
        self._model.remove_nodes(list(nodes))

    def redirect(self, old: str, new: str) -> None:
        """Let all readers of one tensor read another."""
        self._model.replace_input_of_all_nodes(old, new)

    def drop_input(self, name: str) -> None:
        """Remove an input of the graph."""
        for value in list(self._model.model.graph.input):
            if value.name == name:
                self._model.model.graph.input.remove(value)

    def initializers(self) -> list[onnx.TensorProto]:
        """Return the stored constants."""
        return list(self._model.model.graph.initializer)

    def opsets(self) -> list[onnx.OperatorSetIdProto]:
        """Return the versions of the operators."""
        return list(self._model.model.opset_import)

    def copy(self) -> "Graph":
        """Return an independent copy."""
        return Graph(self._model.model)

    def branch(self, condition: str, then: "Graph", otherwise: "Graph") -> None:
        """Replace this graph by a choice between two graphs, made in each run. Constants are stored once.

        Args:
            condition: a tensor of this graph, one boolean; the nodes that compute it stay.
            then: runs where the condition is true; has the same inputs and output as this graph.
            otherwise: runs where it is false; likewise.
        """
        model = self._model.model
        result = onnx.ValueInfoProto()
        result.CopyFrom(model.graph.output[0])
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(condition, onnx.TensorProto.BOOL, None))
        _prune(model.graph)
        held = {value.name for value in model.graph.initializer}
        branches = {}
        for name, graph in (("then", then), ("else", otherwise)):
            body = graph.finish().graph
            model.graph.initializer.extend(value for value in body.initializer if value.name not in held)
            held.update(value.name for value in body.initializer)
            branches[f"{name}_branch"] = _as_branch(body, name)
        model.graph.node.append(helper.make_node("If", [condition], [result.name], name="If", **branches))
        model.graph.output[0].CopyFrom(result)
        self._model = OnnxModel(model)

    def add_outputs(self, names: Iterable[str]) -> None:
        """Make inner float tensors outputs of the graph."""
        for name in names:
            self._model.model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))

    def finish(self) -> onnx.ModelProto:
        """Return the model: unused nodes and constants removed, equal ones shared, nodes sorted, domains declared."""
        model = self._model.model
        _share_constants(model.graph)
        _prune(model.graph)
        self._model.topological_sort()
        if MICROSOFT not in {entry.domain for entry in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        del model.graph.value_info[:]  # shapes of rewritten tensors are stale
        return model


def only_reader(consumers: Mapping[str, list[onnx.NodeProto]], name: str, kind: str) -> onnx.NodeProto | None:
    """Return the node that reads a tensor if it is the only one and of this operator type, else None."""
    readers = consumers.get(name, [])
    return readers[0] if [node.op_type for node in readers] == [kind] else None


def _prune(graph: onnx.GraphProto) -> None:
    """Remove nodes and constants that no output needs; branches of an ``If`` read constants of the outer graph."""
    producers = {name: node for node in graph.node for name in node.output}
    pending, needed, kept = [value.name for value in graph.output], set(), set()
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        node = producers.get(name)
        if node is not None and id(node) not in kept:
            kept.add(id(node))
            pending.extend(_read_by(node))
    nodes = [node for node in graph.node if id(node) in kept]
    constants = [value for value in graph.initializer if value.name in needed]
    if len(nodes) < len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)
    if len(constants) < len(graph.initializer):
        del graph.initializer[:]
        graph.initializer.extend(constants)


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the tensors that a node reads, those of its branches included."""
    yield from node.input
    for attribute in node.attribute:
        yield from (value.name for value in attribute.g.output)
        for inner in attribute.g.node:
            yield from _read_by(inner)


def _share_constants(graph: onnx.GraphProto) -> None:
    """Store equal large constants once: layers that share their weights (ALBERT) were copied by the rewrites."""
    first: dict[tuple[int, tuple[int, ...], bytes], list[onnx.TensorProto]] = {}
    renamed: dict[str, str] = {}
    for value in graph.initializer:
        if len(value.raw_data) < _SHARED_BYTES:
            continue
        alike = first.setdefault((value.data_type, tuple(value.dims), value.raw_data[:_SHARED_BYTES]), [])
        same = next((other for other in alike if other.raw_data == value.raw_data), None)
        if same is None:
            alike.append(value)
        else:
            renamed[value.name] = same.name
    if renamed:
        _rename_inputs(graph, renamed)


def _rename_inputs(graph: onnx.GraphProto, renamed: dict[str, str]) -> None:
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _rename_inputs(attribute.g, renamed)


def _as_branch(body: onnx.GraphProto, name: str) -> onnx.GraphProto:
    """Return a body that takes inputs and constants from the outer graph; its own tensors get a prefix."""
    own = {output for node in body.node for output in node.output}
    nodes = []
    for node in body.node:
        renamed = onnx.NodeProto()
        renamed.CopyFrom(node)
        renamed.name = f"{name}/{node.name}"
        for names in (renamed.input, renamed.output):
            names[:] = [f"{name}/{tensor}" if tensor in own else tensor for tensor in names]
        nodes.append(renamed)
    result = onnx.ValueInfoProto()
    result.CopyFrom(body.output[0])
    result.name = f"{name}/{result.name}"
    return helper.make_graph(nodes, name, [], [result])
