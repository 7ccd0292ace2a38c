"""Checkpoint: the directory that training wrote, checked before anything is converted.

It holds Hugging Face files (``config.json``, ``model.safetensors``, ``tokenizer.json``) and the project's
``recipe.json``, which a foreign checkpoint does not have. This module knows nothing of ONNX.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from artifact.manifest import Truncation
from artifact.tokenization import Tokenization
from export.errors import ExportError

_CLASSIFIER: Final = "ForSequenceClassification"
_HEADS: Final = ("classifier.weight", "classifier.out_proj.weight", "score.weight")
_LONGEST: Final = 512
"""Most tokens that a foreign checkpoint reads: the length that encoders for small CPUs are pretrained with."""


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


@dataclass(frozen=True)
class Checkpoint:
    """A sequence classifier and the way it reads text.

    Attributes:
        name: of the model, for the manifest.
        base_model: the model that its first run started from.
        labels: names in label order.
        max_length: most tokens per row, special tokens included.
        source_commit: of the code that trained it, or "unknown".
        runs: of training, the first one first; empty where they are not recorded.
    """

    directory: Path
    name: str
    base_model: str
    labels: tuple[str, ...]
    max_length: int
    truncation: Truncation
    head_tokens: int
    pad_token_id: int
    source_commit: str
    runs: tuple[TrainingRun, ...] = ()

    @property
    def validation_path(self) -> Path:
        """File of held-out rows that training leaves for export; a foreign checkpoint has none."""
        return self.directory / "validation.parquet"

    def tokenization(self) -> Tokenization:
        """Return the tokenization of training and of the server."""
        tokenizer = Tokenizer.from_file(str(self.directory / "tokenizer.json"))
        return Tokenization(tokenizer, max_length=self.max_length, head_tokens=self.head_tokens)

    def load_model(self) -> PreTrainedModel:
        """Load the PyTorch model in fp32 and in evaluation mode.

        Raises:
            ExportError: if transformers cannot load it.
        """
        try:
            model = AutoModelForSequenceClassification.from_pretrained(self.directory, dtype="float32")
        except (OSError, ValueError, RuntimeError) as error:
            raise ExportError(f"{self.directory} cannot be loaded: {str(error).splitlines()[0]}") from error
        return model.eval()


def read_checkpoint(directory: Path) -> Checkpoint:
    """Check a checkpoint directory and return its description.

    Raises:
        ExportError: if a file is missing or damaged, the model is no sequence classifier, its labels do not fit its
            head, or a weight is not finite.
    """
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (directory / name).is_file():
            raise ExportError(f"{directory} is no checkpoint: {name} is missing")
    config = _read_config(directory)
    labels = tuple(str(config.id2label[index]) for index in sorted(config.id2label))
    _check_weights(directory / "model.safetensors", len(labels))
    recipe = _read_recipe(directory)
    max_length = int(recipe.get("max_length", min(_model_max_length(directory), _LONGEST)))
    runs = tuple(_runs(recipe))
    name = getattr(config, "_name_or_path", "")
    return Checkpoint(
        directory=directory,
        name=str(recipe.get("name") or directory.resolve().name),
        base_model=str(runs[0].base_model if runs else recipe.get("base_model") or name or "unknown"),
        labels=labels,
        max_length=max_length,
        truncation=recipe.get("truncation", "head"),
        head_tokens=int(recipe.get("head_tokens", 0)),
        pad_token_id=int(config.pad_token_id or 0),
        source_commit=str(recipe.get("source_commit") or "unknown"),
        runs=runs,
    )


def _runs(recipe: dict[str, Any]) -> list[TrainingRun]:
    """Return the runs that a recipe records: those of its base model, then its own."""
    if not recipe.get("command"):
        return []
    run = TrainingRun(
        base_model=str(recipe.get("base_model") or "unknown"),
        source_commit=str(recipe.get("source_commit") or "unknown"),
        command=str(recipe["command"]),
        data=tuple(_source(source) for source in recipe.get("data", ())),
        minutes=float(recipe.get("duration_s") or 0) / 60,
        hardware=str(recipe.get("hardware") or ""),
    )
    return [*_runs(recipe.get("base_recipe") or {}), run]


def _source(source: dict[str, Any]) -> str:
    """Return the line of the card about one source of training data."""
    rows = source.get("rows_train", source.get("rows", 0))
    digest = source.get("sha256")
    return f"{source['name']}, {source['split']} split: {rows:,} rows" + (f", sha256 {digest[:12]}…" if digest else "")


def _read_config(directory: Path) -> PretrainedConfig:
    try:
        config = AutoConfig.from_pretrained(directory)
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(f"{directory}/config.json cannot be read: {str(error).splitlines()[0]}") from error
    architectures = config.architectures or []
    if not any(str(name).endswith(_CLASSIFIER) for name in architectures):
        raise ExportError(
            f"{directory} is not a sequence classifier but {architectures or 'of no stated architecture'}; "
            "fine-tune one with python -m training"
        )
    if len(config.id2label) < 2:  # noqa: PLR2004 - a classifier chooses between at least two
        raise ExportError(f"{directory} has {len(config.id2label)} label; a classifier needs two or more")
    return config


def _check_weights(path: Path, labels: int) -> None:
    """Check that every weight is finite and that the head has one row per label."""
    heads = []
    try:
        with safe_open(path, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                tensor = tensors.get_tensor(name)
                if not np.isfinite(tensor).all():
                    raise ExportError(f"{path}: the weight {name} holds NaN or infinity; train again")
                if name in _HEADS:
                    heads.append((name, tensor.shape[0]))
    except SafetensorError as error:
        raise ExportError(f"{path} is damaged: {error}") from error
    for name, rows in heads:
        if rows != labels:
            raise ExportError(f"{path}: {name} has {rows} rows, config.json names {labels} labels")


def _read_recipe(directory: Path) -> dict[str, Any]:
    path = directory / "recipe.json"
    if not path.exists():
        return {}
    try:
        recipe = json.loads(path.read_bytes())
    except ValueError as error:
        raise ExportError(f"{path} is not JSON: {error}") from error
    if not isinstance(recipe, dict):
        raise ExportError(f"{path} does not hold an object")
    return recipe


def _model_max_length(directory: Path) -> int:
    """Return the tokenizer's ``model_max_length``, which is huge where it was not set."""
    path = directory / "tokenizer_config.json"
    try:
        return int(json.loads(path.read_bytes()).get("model_max_length", _LONGEST))
    except (OSError, ValueError):
        return _LONGEST
