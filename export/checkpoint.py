"""Checkpoint: a sequence classifier from any source, checked before anything is converted.

It is a directory of Hugging Face files. One that this project trained has ``recipe.json`` too, a foreign one does not.
This module knows nothing of ONNX.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer
from transformers import PretrainedConfig, PreTrainedModel

from artifact.manifest import Truncation
from artifact.pairs import PairTokenization
from artifact.scores import Head
from artifact.tokenization import Tokenization
from export.errors import ExportError
from export.source.adapter import find_base, is_adapter, merge
from export.source.config import read_config, read_labels
from export.source.find import Source
from export.source.head import HeadChoice, read_head
from export.source.recipe import TrainingRun, read_recipe, training_runs
from export.source.tokenizer import (
    FoundTokenizer,
    check_conversion,
    check_ids,
    check_known,
    has_tokenizer,
    read_tokenizer,
)
from export.source.weights import load_whole, position_rows, token_rows

_LONGEST: Final = 512
"""Most tokens that a foreign checkpoint reads unless asked for more: the length of most pretraining."""


@dataclass(frozen=True)
class Checkpoint:
    """A sequence classifier and the way it reads text.

    Attributes:
        name: of the model, for the manifest.
        base_model: the model that its first run started from.
        labels: names in label order.
        head: how logits become scores and a decision, before it is calibrated.
        pairs: whether it reads pairs of texts.
        max_length: most tokens per row, special tokens included.
        source_commit: of the code that trained it, or "unknown".
        model: in PyTorch, fp32, in evaluation mode.
        tokenizer: in the server's form.
        notes: what was decided on the way, one line each.
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
    model: PreTrainedModel = field(repr=False, compare=False)
    tokenizer: FoundTokenizer = field(repr=False)
    head: Head
    pairs: bool = False
    notes: tuple[str, ...] = ()
    runs: tuple[TrainingRun, ...] = ()

    @property
    def validation_path(self) -> Path:
        """File of held-out rows that training leaves for export; a foreign checkpoint has none."""
        return self.directory / "validation.parquet"

    def tokenization(self) -> Tokenization:
        """Return the tokenization of training and of the server."""
        tokenizer = Tokenizer.from_str(self.tokenizer.document)
        if self.pairs:
            return PairTokenization(tokenizer, max_length=self.max_length)
        return Tokenization(tokenizer, max_length=self.max_length, head_tokens=self.head_tokens)

    def check_texts(self, texts: Sequence[str]) -> None:
        """Check the tokenizer on the texts of the export, those of pairs one by one.

        Raises:
            ExportError: if it knows almost none of their words, or was converted and reads one differently.
        """
        tokenizer = Tokenizer.from_str(self.tokenizer.document)
        check_known(self.directory, Tokenization(tokenizer, max_length=self.max_length, head_tokens=0), texts)
        check_conversion(self.directory, self.tokenizer, texts)


def read_checkpoint(
    source: Path | Source,
    *,
    max_length: int | None = None,
    choice: HeadChoice = HeadChoice(),  # noqa: B008 - frozen
) -> Checkpoint:
    """Load a checkpoint, whole, and return its description.

    Args:
        source: a directory with one model, or what ``find`` returned.
        max_length: most tokens that the model shall read; by default what it was trained with, at most 512.
        choice: what the user says of the head.

    Raises:
        ExportError: if a file is missing or damaged, the model is no text classifier of transformers, its weights are
            not whole, or labels, tokenizer and embeddings do not fit together.
    """
    source = source if isinstance(source, Source) else Source(source, source.resolve().name)
    directory, model_directory = source.directory, source.directory
    if is_adapter(directory):
        base = find_base(directory)
        model, config = merge(directory, base)
        model_directory = directory if has_tokenizer(directory) else base
        tokenizer = read_tokenizer(model_directory)
    else:
        config = read_config(directory)
        tokenizer = read_tokenizer(directory)
        model = load_whole(directory, config)
    labels = read_labels(directory, config)
    pad_token_id = _pad_token_id(directory, model, tokenizer)
    check_ids(directory, tokenizer.document, pad_token_id, token_rows(model))
    recipe = read_recipe(directory)
    longest, note = _max_length(
        directory, max_length, recipe.get("max_length"), tokenizer.max_length, position_rows(model)
    )
    runs = tuple(training_runs(recipe))
    head = read_head(directory, config, labels, recipe, choice)
    found = Checkpoint(
        directory=directory,
        name=str(recipe.get("name") or source.name),
        base_model=str(runs[0].base_model if runs else recipe.get("base_model") or _named(source, config) or "unknown"),
        labels=labels,
        max_length=longest,
        truncation="head" if head.pairs else recipe.get("truncation", "head"),
        head_tokens=0 if head.pairs else int(recipe.get("head_tokens", 0)),
        pad_token_id=pad_token_id,
        source_commit=str(recipe.get("source_commit") or "unknown"),
        model=model,
        tokenizer=tokenizer,
        head=head.head,
        pairs=head.pairs,
        notes=tuple(line for line in (source.note, _conversion(tokenizer), note, *head.notes) if line),
        runs=runs,
    )
    try:
        found.tokenization()
    except ValueError as error:
        raise ExportError(f"{directory}: {error}") from error
    return found


def _named(source: Source, config: PretrainedConfig) -> str:
    return source.origin or str(getattr(config, "_name_or_path", ""))


def _conversion(tokenizer: FoundTokenizer) -> str:
    return f"the tokenizer is converted from {tokenizer.converted_from}" if tokenizer.converted_from else ""


def _pad_token_id(directory: Path, model: PreTrainedModel, tokenizer: FoundTokenizer) -> int:
    """Return the id that fills, and let the model know it: a decoder reads the last token that is not padding.

    Raises:
        ExportError: if a decoder has none.
    """
    config = model.config
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    if config.pad_token_id is None and hasattr(model, "score"):
        raise ExportError(
            f"{directory} is a decoder without a padding token, so it cannot tell where a padded text ends; write "
            '"pad_token_id" into config.json, an id that no text contains (often that of "<|endoftext|>")'
        )
    return int(config.pad_token_id or 0)


def _max_length(
    directory: Path, wanted: int | None, trained: int | None, tokenizer: int, positions: int | None
) -> tuple[int, str]:
    """Return the most tokens of a row, and a line about a length that was chosen here."""
    most = tokenizer if positions is None else positions
    asked = wanted or trained
    if asked is not None:
        if positions is not None and asked > positions:
            named = "--max-length" if wanted else "recipe.json: max_length"
            raise ExportError(f"{named} {asked} is more than the {positions} positions of {directory}")
        return int(asked), ""
    most = min(most, tokenizer)
    if most <= _LONGEST:
        return most, ""
    read = f"up to {most:,} tokens" if most < 10**9 else "texts of any length"
    return _LONGEST, f"the model could read {read}; {_LONGEST} are read, --max-length N reads more"
