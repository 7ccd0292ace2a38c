"""Embeddings: token types and positions are constants, so they are read once and not looked up per text."""

import numpy as np
from numpy.typing import NDArray

from export.graph.graph import Graph

_TYPES = "token_type_ids"


def fix_token_types(graph: Graph) -> bool:
    """Replace the lookup of token types by the row of type 0, and drop the input.

    Every token of a single text has type 0, and the server feeds ids and mask only.
    """
    readers = graph.consumers().get(_TYPES, [])
    if not readers or any(node.op_type != "Gather" or node.input[1] != _TYPES for node in readers):
        return False
    for node in readers:
        table = graph.constant(node.input[0])
        if table is None:
            return False
        row = graph.add_constant(f"{node.input[0]}/type_0", table[0])
        graph.remove([node])
        graph.redirect(node.output[0], row)
    graph.drop_input(_TYPES)
    return True


def slice_positions(graph: Graph) -> bool:
    """Turn ``Gather(positions, Slice(0, 1, 2, …))`` into a slice of the table itself.

    Row *i* is position *i*, so no lookup is needed. A type-0 row that is added to the words moves into the table,
    which saves one addition over (batch, tokens, hidden). The table gets one more row, for the token of padding that
    ``mask_keys`` may add to a text of as many tokens as there are positions.
    """
    producers = graph.producers()
    for node in graph.of_type("Gather"):
        table, source = graph.constant(node.input[0]), producers.get(node.input[1])
        if table is None or table.ndim != 2 or source is None or source.op_type != "Slice":  # noqa: PLR2004 - a matrix
            continue
        ids = graph.constant(source.input[0])
        axes = graph.constant(source.input[3])
        if ids is None or axes is None or not np.array_equal(ids.ravel(), np.arange(ids.size)):
            continue
        if axes.tolist() not in ([ids.ndim - 1], [-1]):
            continue
        longer = np.vstack([_with_type(graph, node.output[0], table), np.zeros_like(table[:1])])
        rows = graph.add_constant(f"{node.input[0]}/rows", longer)
        zero = graph.add_constant(f"{node.output[0]}/axes", np.array([0], np.int64))
        sliced = graph.add("Slice", [rows, *source.input[1:3], zero], f"{node.output[0]}/slice")
        graph.remove([node])
        graph.redirect(node.output[0], sliced)
        return True
    return False


def trim_positions(graph: Graph, max_length: int) -> bool:
    """Drop the positions from ``max_length`` on from a sliced table, but for its additional row; longer input fails."""
    rows = max_length + 1
    done = False
    for node in graph.of_type("Slice"):
        table = graph.constant(node.input[0])
        if table is not None and table.ndim == 2 and len(table) > rows:  # noqa: PLR2004 - a matrix
            node.input[0] = graph.add_constant(f"{node.input[0]}/{rows}", table[:rows])
            done = True
    return done


def _with_type(graph: Graph, positions: str, table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Move a constant row that is added to the words into the table of positions."""
    consumers, producers = graph.consumers(), graph.producers()
    (addition, *others) = consumers.get(positions, [None])
    if others or addition is None or addition.op_type != "Add":
        return table
    before = next((producers.get(name) for name in addition.input if name != positions), None)
    if before is None or before.op_type != "Add" or len(consumers[before.output[0]]) != 1:
        return table
    for row, words in (before.input, reversed(before.input)):
        value = graph.constant(row)
        if value is not None and value.shape == table.shape[1:]:
            graph.remove([before])
            graph.redirect(before.output[0], words)
            result: NDArray[np.float32] = table + value
            return result
    return table
