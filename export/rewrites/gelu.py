"""GELU: its tanh approximation, which is faster and changes answers a little."""

from export.graph.graph import MICROSOFT, Graph


def approximate_gelu(graph: Graph) -> bool:
    """Replace the fused Gelu by FastGelu (Hendrycks & Gimpel 2016, "Gaussian Error Linear Units").

    No rewrite of the kind that ``apply`` accepts: it is for a variant that says so.
    """
    found = [node for node in graph.of_type("Gelu") if node.domain == MICROSOFT]
    for node in found:
        graph.remove([node])
        graph.add("FastGelu", node.input, node.output[0], domain=MICROSOFT)
    return bool(found)
