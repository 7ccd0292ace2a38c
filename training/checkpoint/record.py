"""The record of a run: ``recipe.json`` and ``validation.parquet``.

The model card is made from the recipe, and export calibrates on the held-out rows. The only paths of the machine
in it are those that the user typed.
"""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow
import torch
import transformers
from pyarrow import parquet

from artifact.cpu import cpu_model
from artifact.scores import Problem
from training.data.sources import Source, sha256_of
from training.data.targets import Example
from training.data.training_data import TrainingData
from training.plan import Plan
from training.reading import HELD_OUT, match_indices, match_many, read, read_values

RECIPE_VERSION: Final = 1
RECIPE: Final = "recipe.json"
METRICS: Final = "metrics.json"
VALIDATION: Final = "validation.parquet"
_CODE: Final = ("training", "artifact")
"""Folders, from the root of the repository, whose code decides the result of a run."""


def first_state() -> dict[str, str]:
    """Return the facts of a run's first start: the commit of the code and the time."""
    return {"source_commit": source_commit(), "started_at": datetime.now(UTC).isoformat(timespec="seconds")}


def recipe(plan: Plan, data: TrainingData, state: dict[str, Any], **outcome: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return the document ``recipe.json``.

    Args:
        plan: of the run.
        data: the rows of the plan's sources.
        state: of the run, see ``first_state``.
        **outcome: steps, seconds and further fields.
    """
    parameters = plan.parameters
    return {
        "schema_version": RECIPE_VERSION,
        "name": plan.name,
        "base_model": plan.base_model_name,
        "base_recipe": _recipe_of(plan.base_model),
        "labels": data.labels,
        "problem": plan.problem,
        "pairs": plan.pairs,
        "max_length": parameters.max_length,
        "truncation": "head" if plan.pairs else parameters.truncation,
        "head_tokens": 0 if plan.pairs else parameters.head_tokens,
        "seed": parameters.seed,
        "hyper_parameters": asdict(parameters),
        "data": [_data_entry(source, data) for source in (*plan.sources, *plan.validation)],
        "left_out": {
            "exact_duplicates": data.duplicates,
            "duplicates_with_another_label": data.conflicts,
            "sharing_a_passage_with_held_out": data.nested,
            "shorter_than_min_words": data.short,
        },
        "command": plan.command,
        "source_commit": state["source_commit"],
        "started_at": state["started_at"],
        **outcome,
        **surroundings(),
    }


def surroundings() -> dict[str, Any]:
    """Return the hardware, and the versions that the result depends on."""
    return {
        "hardware": hardware(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
    }


def write_validation(path: Path, examples: Sequence[Example]) -> None:
    """Write the held-out rows: text, label (index, indices or value), confidence, source, and text_pair of pairs."""
    columns: dict[str, list[Any]] = {
        "text": [example.text for example in examples],
        "label": [example.answer for example in examples],
        "confidence": [example.confidence for example in examples],
        "source": [example.source for example in examples],
    }
    if any(example.text_pair is not None for example in examples):
        columns["text_pair"] = [example.text_pair for example in examples]
    parquet.write_table(pyarrow.table(columns), path)


def read_validation(
    path: Path, labels: int, problem: Problem = "single_label", *, pairs: bool = False
) -> list[Example]:
    """Read the rows that ``write_validation`` wrote.

    Args:
        path: of the file.
        labels: number of labels of the checkpoint.
        problem: of the checkpoint.
        pairs: whether it reads pairs.

    Raises:
        DataError: if it is missing, or is no such file.
    """
    many = problem == "multi_label"
    table = read(path, replace(HELD_OUT, text_pair="text_pair" if pairs else None, many=many))
    if problem == "single_label":
        indices = match_indices(table, labels)
        return [
            Example(row.text, index, row.group or "", row.confidence, text_pair=row.text_pair)
            for row, index in zip(table.rows, indices, strict=True)
        ]
    targets: Sequence[tuple[int, ...] | float] = (
        match_many(table, list(map(str, range(labels)))) if many else read_values(table)
    )
    return [
        Example(row.text, 0, row.group or "", 1.0, target, row.text_pair)
        for row, target in zip(table.rows, targets, strict=True)
    ]


def read_recipe(directory: Path) -> dict[str, Any]:
    """Read the recipe of a finished checkpoint.

    Raises:
        OSError, ValueError: if it is missing or no JSON.
    """
    recipe: dict[str, Any] = json.loads((directory / RECIPE).read_text(encoding="utf-8"))
    return recipe


def source_commit() -> str:
    """Return the commit of the code, with ``-dirty`` if the code of training differs from it."""
    root = Path(__file__).parents[2]
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("-dirty" if changed else "")


def hardware() -> str:
    """Return the hardware in words: the name of the GPU, or of the processor with its cores."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{cpu_model()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads"


def _recipe_of(base_model: str) -> dict[str, Any] | None:
    """Return the recipe of the base model, if it is a checkpoint that training wrote."""
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
