"""Check: the answers of a rewritten graph against those of the graph before, on real texts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from artifact.manifest import SessionOptions
from artifact.runtime import Batch, OnnxEngine
from artifact.scores import Head
from export.measure.quality import score_changes
from export.rewrites.apply import Check
from export.samples import Ids


def check_answers(
    path: Path, options: SessionOptions | None, *, rows: Sequence[Ids], head: Head, pad_token_id: int, folder: Path
) -> Check:
    """Return a check of graphs against the answers of the graph in a file, alone and in a padded batch.

    Args:
        path: the graph whose answers are right.
        options: of every session.
        rows: token ids of a few texts of all lengths.
        head: how logits become scores.
        pad_token_id: the id that fills.
        folder: where the graphs are written that are checked.
    """
    batches = [Batch.of([row], pad_token_id) for row in rows] + [Batch.of(rows, pad_token_id)]
    before = OnnxEngine(path, options)
    expected = [before.run(batch) for batch in batches]

    def largest_change(model: onnx.ModelProto) -> float:
        checked = folder / "checked.onnx"
        onnx.save(model, checked)
        engine = OnnxEngine(checked, options)
        pairs = zip(batches, expected, strict=True)
        return float(np.max([score_changes(head, engine.run(batch), logits).max() for batch, logits in pairs]))

    return largest_change
