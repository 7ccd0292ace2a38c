"""Constants: parts of a graph that are the same for every text are computed here, and not in each run.

DeBERTa projects its table of relative positions in every layer, 512 rows even for 20 tokens, and asks in every layer
whether there are as many queries as keys. The runtime folds such products if they are float, but not if they are int8.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator

from export.graph.graph import Graph

_PRODUCTS: Final = {"MatMul", "Gemm"}


def take_branches(graph: Graph) -> bool:
    """Replace every ``If`` whose condition follows from shapes by its branch that computes nothing.

    A self-attention has as many keys as queries, whatever the text.
    """
    found = [(node, branch) for node in graph.of_type("If") if (branch := _idle_branch(node)) is not None]
    found = [(node, branch) for node, branch in found if follows_from_shapes(graph, node.input[0])]
    for node, branch in found:
        graph.remove([node])
        for output, result in zip(node.output, branch.output, strict=True):
            source = next(inner.input[0] for inner in branch.node if inner.output[0] == result.name)
            graph.redirect(output, source)
    return bool(found)


def fold_products(graph: Graph) -> bool:
    """Replace products of constants, and what is computed from them alone, by their results."""
    constant, from_product = _constant_tensors(graph)
    consumers = graph.consumers()
    wanted = [
        name for name in from_product if any(not constant.issuperset(node.output) for node in consumers.get(name, ()))
    ]
    if not wanted:
        return False
    for name, value in zip(wanted, evaluate(graph, wanted, {}), strict=True):
        graph.redirect(name, graph.add_constant(f"{name}/folded", value))
    return True


def evaluate(graph: Graph, names: Sequence[str], given: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    """Compute tensors of a graph.

    Args:
        graph: has them; its operators must be those of ONNX, not onnxruntime's own.
        names: of the tensors.
        given: name -> value of the computed tensors and inputs that they depend on.
    """
    producers, pending, needed = graph.producers(), list(names), set()
    while pending:
        name = pending.pop()
        if name not in needed and name not in given:
            needed.add(name)
            pending.extend(producers[name].input if name in producers else ())
    body = helper.make_graph(
        [node for node in graph.nodes if needed.intersection(node.output)],
        "evaluated",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(given[name].dtype), None)
            for name in given
        ],
        [helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names],
        initializer=[value for value in graph.initializers() if value.name in needed],
    )
    model = helper.make_model(body, opset_imports=graph.opsets())
    return list(ReferenceEvaluator(model).run(list(names), dict(given)))


def follows_from_shapes(graph: Graph, name: str) -> bool:
    """Return whether a tensor is computed from shapes and constants alone, not from what is in a text."""
    producers, inputs = graph.producers(), set(graph.inputs)
    pending, seen = [name], set()
    while pending:
        name = pending.pop()
        if name in inputs:
            return False
        node = producers.get(name)
        if name in seen or node is None or node.op_type == "Shape":
            continue
        seen.add(name)
        pending.extend(node.input)
    return True


def _idle_branch(node: onnx.NodeProto) -> onnx.GraphProto | None:
    """Return the branch of an ``If`` that only passes on outer tensors, if it has one."""
    for attribute in node.attribute:
        branch = attribute.g
        if branch.node and all(inner.op_type == "Identity" for inner in branch.node):
            return branch
    return None


def _constant_tensors(graph: Graph) -> tuple[set[str], list[str]]:
    """Return the tensors that depend on no input, and those of them that follow from a product."""
    constant: set[str] = set()
    from_product: list[str] = []
    for node in graph.nodes:  # sorted
        given = [name for name in node.input if name]
        if any(attribute.HasField("g") for attribute in node.attribute):
            continue
        if all(name in constant or graph.constant(name) is not None for name in given) and (
            given or node.op_type == "Constant"
        ):
            constant.update(node.output)
            if node.op_type in _PRODUCTS or set(given).intersection(from_product):
                from_product.extend(node.output)
    return constant, from_product
