"""Checkpoints: good ones are understood, damaged and foreign ones end with one clear line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from export.checkpoint import read_checkpoint
from export.errors import ExportError
from tests.support.checkpoints import HEAD_TOKENS, MAX_LENGTH, build_checkpoint

pytestmark = pytest.mark.development


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A good tiny checkpoint, free to be damaged."""
    return build_checkpoint(tmp_path / "checkpoint", labels=("bad", "good"))


def _edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _nan(directory: Path) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path)
    weights["classifier.weight"] = np.full_like(weights["classifier.weight"], np.nan)
    save_file(weights, path, metadata={"format": "pt"})


def _more_labels(directory: Path) -> None:
    _edit(directory / "config.json", id2label={str(i): f"l{i}" for i in range(5)})


def _no_classifier(directory: Path) -> None:
    _edit(directory / "config.json", architectures=["BertModel"])


def _hole(directory: Path) -> None:
    _edit(directory / "config.json", id2label={"0": "bad", "2": "good"})


def _double(directory: Path) -> None:
    _edit(directory / "config.json", id2label={"0": "bad", "1": "bad "})


def _contradiction(directory: Path) -> None:
    _edit(directory / "config.json", label2id={"bad": 1, "good": 0})


def _custom_code(directory: Path) -> None:
    _edit(directory / "config.json", auto_map={"AutoModelForSequenceClassification": "modeling.Mine"})


def _custom_class(directory: Path) -> None:
    _edit(directory / "config.json", architectures=["MyForSequenceClassification"])


def _audio(directory: Path) -> None:
    _edit(directory / "config.json", model_type="wav2vec2", architectures=["Wav2Vec2ForSequenceClassification"])


def _quantized(directory: Path) -> None:
    _edit(directory / "config.json", quantization_config={"quant_method": "bitsandbytes"})


def _positions(directory: Path) -> None:
    path = directory / "model.safetensors"
    weights = load_file(path)
    name = "bert.embeddings.position_embeddings.weight"
    weights[name] = weights[name][:32].copy()
    save_file(weights, path, metadata={"format": "pt"})
    _edit(directory / "config.json", max_position_embeddings=32)


def _padding(directory: Path) -> None:
    _edit(directory / "config.json", pad_token_id=9999)


def _cut_weights(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


_DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda d: (d / "tokenizer.json").unlink(), "tokenizer.json is missing"),
    (lambda d: (d / "model.safetensors").unlink(), "holds no weights: none of model.safetensors"),
    (lambda d: (d / "config.json").write_text("{"), "config.json cannot be read"),
    (lambda d: (d / "recipe.json").write_text("{"), "recipe.json cannot be read"),
    (_nan, "NaN"),
    (_more_labels, "classifier.weight has another shape in the file than the .* which names 5 labels"),
    (_hole, "ids \\[0, 2\\]"),
    (_double, "'bad'\\] twice"),
    (_contradiction, "contradicts label2id"),
    (_custom_code, "names custom code"),
    (_custom_class, "was saved as MyForSequenceClassification"),
    (_audio, "which classifies no text"),
    (_quantized, "is quantized already"),
    (_positions, "more than the 32 positions"),
    (_padding, "[Pp]adding_idx must be within num_embeddings"),
    (_no_classifier, "not a sequence classifier"),
    (_cut_weights, "is damaged"),
]


def test_a_checkpoint_of_this_project_is_understood(directory: Path) -> None:
    """Labels come from the configuration, how text is read from the recipe."""
    found = read_checkpoint(directory)
    assert ("bad", "good") == found.labels
    assert (found.max_length, found.truncation, found.head_tokens) == (MAX_LENGTH, "head_tail", HEAD_TOKENS)
    assert 0 == found.pad_token_id


def test_a_foreign_checkpoint_gets_sane_defaults(directory: Path) -> None:
    """Without a recipe the tokenizer's length counts, and the start of a text is read."""
    (directory / "recipe.json").unlink()
    found = read_checkpoint(directory)
    assert (found.name, found.max_length, found.truncation) == ("checkpoint", MAX_LENGTH, "head")


@pytest.mark.parametrize(("damage", "words"), _DAMAGE, ids=[words for _, words in _DAMAGE])
def test_damage_is_one_clear_line(directory: Path, damage: Callable[[Path], object], words: str) -> None:
    """Each kind of damage is named, on a single line."""
    damage(directory)
    with pytest.raises(ExportError, match=words) as raised:
        read_checkpoint(directory)
    assert "\n" not in str(raised.value)


def test_every_run_that_made_it_is_known(directory: Path) -> None:
    """A checkpoint trained from a checkpoint has both runs, the first one first, and the first one's base."""
    recipe = json.loads((directory / "recipe.json").read_text())
    first = {**recipe, "base_model": "some/encoder", "command": "python -m training first", "duration_s": 120}
    second = {**recipe, "base_model": "mine", "command": "python -m training second", "base_recipe": first}
    (directory / "recipe.json").write_text(json.dumps(second))
    found = read_checkpoint(directory)
    assert [
        ("some/encoder", "python -m training first"),
        ("mine", "python -m training second"),
    ] == [(run.base_model, run.command) for run in found.runs]
    assert 2 == found.runs[0].minutes
    assert "some/encoder" == found.base_model


def test_a_tokenizer_that_makes_ids_without_an_embedding_is_refused(directory: Path) -> None:
    """The runtime would fail on every text with such a token: the message names both sizes."""
    path = str(directory / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path)
    rows = tokenizer.get_vocab_size()
    read_checkpoint(directory)
    tokenizer.add_tokens(["new", "newer"])
    tokenizer.save(path)
    with pytest.raises(
        ExportError, match=f"2 ids beyond the model's {rows} embeddings, the first one {rows} for 'new'"
    ):
        read_checkpoint(directory)
