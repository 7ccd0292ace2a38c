"""Learning: the weights answer like the graph, in the space that is allowed."""

import numpy as np
import pytest

from artifact.first_stage import FirstStage
from artifact.scores import Head
from export.first_stage.learn import LARGEST_BYTES, ORDERS, bits_for, learn, passes
from tests.support.first_stages import make_model

SINGLE = Head(("a", "b"), temperature=2.0)
SEVERAL = Head(("a", "b"), problem="multi_label", thresholds=(0.5, 0.5), activation="sigmoid")


@pytest.mark.parametrize("head", [SINGLE, SEVERAL], ids=["one label", "several labels"])
def test_rows_are_answered_as_the_graph_answers_them(head: Head) -> None:
    """Token 7 means the first label and token 8 the second; a pair of them in this order means the first."""
    draw = np.random.default_rng(3)
    rows, targets = [], []
    for index in range(4000):
        kind = index % 3
        meaning = [(7,), (8,), (7, 8)][kind]
        rows.append((*draw.integers(100, 200, 4).tolist(), *meaning))
        targets.append((0.05, 0.95) if kind == 1 else (0.95, 0.05))
    ticks: list[None] = []
    learned = learn(rows, np.array(targets), head, lambda: ticks.append(None))
    assert passes(len(rows)) == len(ticks)
    assert learned.weights.nbytes <= LARGEST_BYTES
    model = make_model(2, least=0.5).model_copy(update={"orders": ORDERS, "scale": learned.scale, "bias": learned.bias})
    stage = FirstStage(learned.weights, model, head)
    for meaning, wanted in (((7,), 0), ((8,), 1), ((7, 8), 0)):
        scores = head.scores(stage.logits((150, 160, *meaning)))
        assert wanted == int(np.argmax(scores))
        assert max(scores) > 0.6


@pytest.mark.parametrize("labels", [2, 3, 28, 1000])
def test_the_weights_of_any_number_of_labels_fit(labels: int) -> None:
    """As many buckets as fit into 2 MiB, a power of two."""
    assert labels << bits_for(labels) <= LARGEST_BYTES < labels << (bits_for(labels) + 1)
