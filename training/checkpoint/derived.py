"""Checkpoints derived from finished ones without training, such as a mean or a pruned one.

Such a checkpoint keeps the held-out rows and the recipes of its origin, and is measured when it is written. Knows
nothing of how the weights are made.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from training.checkpoint import metrics, record
from training.checkpoint.classifier import TorchClassifier, predict
from training.data.targets import Example
from training.learning.model import ModelError, load_tokenizer
from training.reading import DataError

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
"""Fields that a derived checkpoint takes over from the recipe of its origin."""


def held_out_of(directory: Path) -> list[Example]:
    """Return the held-out rows of a checkpoint.

    Raises:
        ModelError: if it has none.
    """
    try:
        labels = record.read_recipe(directory)["labels"]
        return record.read_validation(directory / record.VALIDATION, len(labels))
    except (DataError, OSError, ValueError) as error:
        raise ModelError(f"{directory} has no held-out rows: {error}") from error


def name_of(recipe: Mapping[str, Any]) -> str:
    """Return a checkpoint's name in other recipes: its own name and the start of its run."""
    return f"{recipe['name']} of {recipe['started_at']}"


def write(
    output: Path,
    classifier: TorchClassifier,
    made_from: Path,
    held_out: Sequence[Example],
    **recipe: Any,  # noqa: ANN401 - JSON
) -> None:
    """Write the checkpoint, and print its figures on the held-out rows.

    Args:
        output: must not exist.
        classifier: with the weights to write.
        made_from: the checkpoint that gives the tokenizer and the recipe.
        held_out: rows on which none of the original checkpoints was trained.
        **recipe: fields that differ from the recipe of ``made_from``: at least ``base_model`` and ``command``.
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
    metrics.write_json(output / record.RECIPE, document)  # last: a checkpoint without it counts as unfinished
    for entry in measured:
        sys.stdout.write(metrics.describe(entry) + "\n")
