"""Recipe: ``recipe.json``, the record of how this project trained a checkpoint. Other checkpoints have none."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.source.config import read_object


@dataclass(frozen=True)
class TrainingRun:
    """One run of training that led to a checkpoint.

    Attributes:
        base_model: the model that it started from.
        source_commit: of the code.
        command: the command line.
        data: one line per source of training data.
        minutes: duration; 0 where it is not recorded.
        hardware: on which it ran.
    """

    base_model: str
    source_commit: str
    command: str
    data: tuple[str, ...]
    minutes: float
    hardware: str


def read_recipe(directory: Path) -> dict[str, Any]:
    """Return the recipe of a checkpoint, empty where there is none.

    Raises:
        ExportError: if the file does not hold a JSON object.
    """
    path = directory / "recipe.json"
    return read_object(path) if path.exists() else {}


def training_runs(recipe: dict[str, Any]) -> list[TrainingRun]:
    """Return the runs that a recipe records: those of its base model, then its own."""
    if not recipe.get("command"):
        return []
    run = TrainingRun(
        base_model=str(recipe.get("base_model") or "unknown"),
        source_commit=str(recipe.get("source_commit") or "unknown"),
        command=str(recipe["command"]),
        data=tuple(_data_source(source) for source in recipe.get("data", ())),
        minutes=float(recipe.get("duration_s") or 0) / 60,
        hardware=str(recipe.get("hardware") or ""),
    )
    return [*training_runs(recipe.get("base_recipe") or {}), run]


def _data_source(source: dict[str, Any]) -> str:
    """Return the line of the card about one source of training data."""
    rows = source.get("rows_train", source.get("rows", 0))
    digest = source.get("sha256")
    return f"{source['name']}, {source['split']} split: {rows:,} rows" + (f", sha256 {digest[:12]}…" if digest else "")
