"""Graph: an ONNX model whose nodes and constants can be found, added, removed and redirected.

A thin layer over onnxruntime's ``OnnxModel``, which prunes and sorts. All rewrites use it.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnxruntime.transformers.onnx_model import OnnxModel

MICROSOFT = "com.microsoft"
"""Domain of onnxruntime's own operators (ContribOperators.md)."""
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
        self._model.prune_graph(allow_remove_graph_inputs=False)
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
        """Return the model: unused nodes and constants removed, nodes sorted, domains declared."""
        model = self._model.model
        if not self.of_type("If"):  # the library would remove the constants of branches as unused
            self._model.prune_graph(allow_remove_graph_inputs=False)
        self._model.topological_sort()
        if MICROSOFT not in {entry.domain for entry in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        del model.graph.value_info[:]  # shapes of rewritten tensors are stale
        return model


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
