"""Write a checkpoint that was made from finished ones without a step of training.

Owns what such checkpoints have in common: they keep the held-out rows and the recipes of what they come from, and are
measured at once. Knows nothing of how they are made.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from training.checkpoint import metrics, record
from training.checkpoint.classifier import TorchClassifier, predict
from training.data.training_data import Example
from training.learning.model import ModelError, load_tokenizer

_KEPT: Final = (
    "schema_version",
    "name",
    "labels",
    "max_length",
    "truncation",
    "head_tokens",
    "seed",
    "hyper_parameters",
)
"""What a recipe says of every checkpoint that is made from its own."""


def held_out_of(directory: Path) -> list[Example]:
    """Return the rows that a checkpoint holds out.

    Raises:
        ModelError: if it has none.
    """
    try:
        return record.read_validation(directory / record.VALIDATION)
    except (OSError, ValueError) as error:
        raise ModelError(f"{directory} has no held-out rows: {error}") from error


def name_of(recipe: Mapping[str, Any]) -> str:
    """Return what another recipe calls a checkpoint that it was made from: its name and when it was begun."""
    return f"{recipe['name']} of {recipe['started_at']}"


def write(
    output: Path,
    classifier: TorchClassifier,
    made_from: Path,
    held_out: Sequence[Example],
    **recipe: Any,  # noqa: ANN401 - JSON
) -> None:
    """Write the checkpoint, and say on the terminal how good it is on the held-out rows.

    Args:
        output: must not exist.
        classifier: with the weights to write.
        made_from: the checkpoint whose tokenizer and recipe it continues.
        held_out: rows that nothing it was made from has learnt.
        **recipe: what its recipe says otherwise than that of ``made_from``: ``base_model`` and ``command`` at least.
    """
    classifier.model.save_pretrained(output)
    load_tokenizer(str(made_from)).save_pretrained(output)
    record.write_validation(output / record.VALIDATION, held_out)
    logits = predict(classifier, held_out)
    measured = metrics.evaluations(logits, held_out, "held out of train", measured_on="torch")
    metrics.write_json(output / record.METRICS, {"schema_version": 1, "evaluations": measured, "history": []})
    earlier = record.read_recipe(made_from)
    document: dict[str, Any] = {
        **{name: earlier[name] for name in _KEPT if name in earlier},
        **record.first_state(),
        "base_recipe": earlier,
        "data": [],
        "steps": 0,
        "duration_s": 0,
        **record.surroundings(),
        **recipe,
    }
    metrics.write_json(output / record.RECIPE, document)  # last: it makes a checkpoint finished
    for entry in measured:
        sys.stdout.write(metrics.describe(entry) + "\n")
