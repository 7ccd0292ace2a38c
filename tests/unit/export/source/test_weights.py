"""A model is loaded whole, from every form of file, or refused: transformers would fill gaps with random numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from artifact.runtime import Batch
from export.checkpoint import read_checkpoint
from export.errors import ExportError
from export.graph.convert import torch_logits
from tests.support.architectures import ARCHITECTURES, LENGTH, build_foreign

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),  # transformers' DeBERTa and ModernBERT
]

_BATCH = Batch.of([(5, 6, 7, 8), (9, 10)], 0)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A tiny RoBERTa, as ``save_pretrained`` leaves it."""
    return build_foreign(tmp_path / "model", "roberta")


def _rename(change: Callable[[str], str | None]) -> Callable[[Path], None]:
    def damage(directory: Path) -> None:
        path = directory / "model.safetensors"
        kept = {new: tensor for name, tensor in load_file(path).items() if (new := change(name)) is not None}
        save_file(kept, path, metadata={"format": "pt"})

    return damage


def _one_layer_less(directory: Path) -> None:
    text = (directory / "config.json").read_text()
    (directory / "config.json").write_text(text.replace('"num_hidden_layers": 2', '"num_hidden_layers": 1'))


_DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "no head": (_rename(lambda n: None if n.startswith("classifier") else n), "has no classifier head"),
    "half a head": (_rename(lambda n: None if "out_proj" in n else n), "has no classifier head .classifier.out_proj"),
    "a layer missing": (_rename(lambda n: None if "layer.1." in n else n), "lacks 16 weights"),
    "a foreign prefix": (_rename(lambda n: f"encoder.{n}"), "lacks .* weights of the model"),
    "a layer too many": (_one_layer_less, "holds 16 weights that RobertaForSequenceClassification does not read"),
}


@pytest.mark.parametrize("kind", _DAMAGE)
def test_weights_that_are_not_whole_are_refused(directory: Path, kind: str) -> None:
    """The library only warns about each of these, and the answers would be random."""
    damage, words = _DAMAGE[kind]
    damage(directory)
    with pytest.raises(ExportError, match=words) as raised:
        read_checkpoint(directory)
    assert "\n" not in str(raised.value)


def test_tensors_of_other_tasks_do_not_matter(directory: Path) -> None:
    """Old files hold position ids, and a pooler that this class does not have."""
    path = directory / "model.safetensors"
    more = {"roberta.embeddings.position_ids": torch.arange(4)[None], "roberta.pooler.dense.bias": torch.zeros(32)}
    save_file(load_file(path) | more, path, metadata={"format": "pt"})
    assert ("a", "b", "c") == read_checkpoint(directory).labels


def _shards(directory: Path, model: Any) -> None:
    model.save_pretrained(directory, max_shard_size="20KB")


def _pickle(directory: Path, model: Any) -> None:
    torch.save(model.state_dict(), directory / "pytorch_model.bin")


def _pickled_shards(directory: Path, model: Any) -> None:
    model.save_pretrained(directory, max_shard_size="20KB", safe_serialization=False)


@pytest.mark.parametrize("save", [_shards, _pickle, _pickled_shards])
def test_every_form_of_file_is_the_same_model(directory: Path, save: Callable[[Path, Any], None]) -> None:
    """Shards, pickles and shards of pickles answer as the one safetensors file."""
    expected = torch_logits(read_checkpoint(directory).model, _BATCH)
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    (directory / "model.safetensors").unlink()
    save(directory, model)
    assert not (directory / "model.safetensors").exists()
    assert torch.equal(torch.tensor(expected), torch.tensor(torch_logits(read_checkpoint(directory).model, _BATCH)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_fp32(directory: Path, dtype: torch.dtype) -> None:
    """The answers are those of the rounded weights, computed in fp32."""
    model = AutoModelForSequenceClassification.from_pretrained(directory).to(dtype)
    model.save_pretrained(directory)
    expected = torch_logits(model.float(), _BATCH)
    found = read_checkpoint(directory).model
    assert torch.float32 == found.dtype
    assert pytest.approx(expected, abs=1e-6) == torch_logits(found, _BATCH)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("ran"),))


def test_code_in_a_pickle_does_not_run(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's pickles are loaded with weights alone."""
    monkeypatch.chdir(directory)
    (directory / "model.safetensors").unlink()
    torch.save({"classifier.weight": _Evil()}, directory / "pytorch_model.bin")
    with pytest.raises(ExportError, match="is damaged or cannot be loaded"):
        read_checkpoint(directory)
    assert not (directory / "ran").exists()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_knows_its_most_tokens(tmp_path: Path, architecture: str) -> None:
    """A tokenizer that allows more than there are positions is cut to them, padding ids included."""
    directory = build_foreign(tmp_path / "model", architecture)
    settings = directory / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace(f'"model_max_length": {LENGTH}', '"model_max_length": 100000'))
    assert LENGTH == read_checkpoint(directory).max_length
    assert 16 == read_checkpoint(directory, max_length=16).max_length
    with pytest.raises(ExportError, match=f"--max-length 65 is more than the {LENGTH} positions"):
        read_checkpoint(directory, max_length=LENGTH + 1)


def test_a_long_model_reads_512_tokens_unless_asked(tmp_path: Path) -> None:
    """And the user is told of the option."""
    directory = build_foreign(tmp_path / "model", "bert", max_position_embeddings=2048)
    settings = directory / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace(f'"model_max_length": {LENGTH}', '"model_max_length": 2000'))
    found = read_checkpoint(directory)
    assert 512 == found.max_length
    assert ("the model could read up to 2,000 tokens; 512 are read, --max-length N reads more",) == found.notes
    assert 2048 == read_checkpoint(directory, max_length=2048).max_length


def test_a_decoder_needs_a_padding_token(tmp_path: Path) -> None:
    """It reads the last token that is not padding; the tokenizer's counts where the configuration names none."""
    directory = build_foreign(tmp_path / "model", "gpt2")
    config = directory / "config.json"
    config.write_text(config.read_text().replace('"pad_token_id": 1', '"pad_token_id": null'))
    assert 1 == read_checkpoint(directory).pad_token_id
    settings = directory / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"pad_token": "<pad>"', '"pad_token": null'))
    with pytest.raises(ExportError, match=r'write "pad_token_id" into config\.json'):
        read_checkpoint(directory)
