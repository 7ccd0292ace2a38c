"""What is written down about a run: ``recipe.json`` and ``validation.parquet``.

The model card is made from the recipe, and export calibrates on the held-out rows. Nothing here holds a path of
the machine beyond those that the user typed.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow
import torch
import transformers
from pyarrow import parquet

from artifact.cpu import cpu_model
from training.data.sources import Source, sha256_of
from training.data.training_data import Example, TrainingData
from training.plan import Plan

RECIPE_VERSION: Final = 1
RECIPE: Final = "recipe.json"
METRICS: Final = "metrics.json"
VALIDATION: Final = "validation.parquet"
_CODE: Final = ("training", "artifact")
"""What a run's result depends on, seen from the repository's root."""


def first_state() -> dict[str, str]:
    """Return what is true of a run from its first start on: the code's commit and the time."""
    return {"source_commit": source_commit(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}


def recipe(plan: Plan, data: TrainingData, state: dict[str, Any], **outcome: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the document ``recipe.json``.

    Args:
        plan: what was asked for.
        data: what the data came to.
        state: of the run, see ``first_state``.
        **outcome: steps and seconds it took, and more for people to read.
    """
    parameters = plan.parameters
    return {
        "schema_version": RECIPE_VERSION,
        "name": plan.name,
        "base_model": plan.base_model_name,
        "base_recipe": _recipe_of(plan.base_model),
        "labels": data.labels,
        "max_length": parameters.max_length,
        "truncation": parameters.truncation,
        "head_tokens": parameters.head_tokens,
        "seed": parameters.seed,
        "hyper_parameters": asdict(parameters),
        "data": [_data_entry(source, data) for source in (*plan.sources, *plan.validation)],
        "left_out": {
            "exact_duplicates": data.duplicates,
            "duplicates_with_another_label": data.conflicts,
            "sharing_a_passage_with_held_out": data.nested,
        },
        "command": plan.command,
        "source_commit": state["source_commit"],
        "started_at": state["started_at"],
        **outcome,
        **surroundings(),
    }


def surroundings() -> dict[str, Any]:
    """Return what computed, and the versions that a result depends on."""
    return {
        "hardware": hardware(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def write_validation(path: Path, examples: Sequence[Example]) -> None:
    """Write the held-out rows: columns text, label (index) and source."""
    columns = {
        "text": [example.text for example in examples],
        "label": [example.label for example in examples],
        "source": [example.source for example in examples],
    }
    parquet.write_table(pyarrow.table(columns), path)


def read_validation(path: Path) -> list[Example]:
    """Read back what ``write_validation`` wrote.

    Raises:
        OSError, ValueError: if it is missing or is something else; pyarrow's errors are of these kinds.
    """
    rows = parquet.read_table(path, columns=["text", "label", "source"]).to_pylist()
    return [Example(**row) for row in rows]


def read_recipe(directory: Path) -> dict[str, Any]:
    """Read the recipe of a finished checkpoint.

    Raises:
        OSError, ValueError: if it is missing or no JSON.
    """
    recipe: dict[str, Any] = json.loads((directory / RECIPE).read_text(encoding="utf-8"))
    return recipe


def source_commit() -> str:
    """Return the commit of the code, with ``-dirty`` if the code of training was changed since."""
    root = Path(__file__).parents[2]
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("-dirty" if changed else "")


def hardware() -> str:
    """Return what computed, in words: the GPU's name, or the processor's with its cores."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{cpu_model()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _recipe_of(base_model: str) -> dict[str, Any] | None:
    """Return how the base was made, if it is itself a checkpoint that training wrote."""
    path = Path(base_model)
    return read_recipe(path) if (path / RECIPE).exists() else None


def _data_entry(source: Source, data: TrainingData) -> dict[str, Any]:
    options = {key: value for key, value in asdict(source).items() if key != "location"}
    counts = {
        "rows": data.rows[source.name],
        "rows_train": sum(example.source == source.name for example in data.train),
        "rows_validation": sum(example.source == source.name for example in data.validation),
    }
    return {**options, **counts, "sha256": sha256_of(source)}


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - fixed arguments
