"""A base model becomes a classifier of the given labels."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.support.checkpoints import MAX_LENGTH, Architecture, build_checkpoint  # noqa: E402 - behind the check
from training.config import HyperParameters  # noqa: E402 - as above
from training.learning.model import (  # noqa: E402 - as above
    ModelError,
    load_classifier,
    load_tokenizer,
    parameter_groups,
    tokenization_of,
)

pytestmark = pytest.mark.development


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta"])
def test_any_family_gets_the_labels(tmp_path: Path, architecture: Architecture) -> None:
    """For any model family and its old labels, the classifier has the new labels in order."""
    base = build_checkpoint(tmp_path / "base", architecture=architecture)
    model = load_classifier(str(base), ["a", "b", "c"], HyperParameters(max_length=32, dropout=0.3))
    assert {0: "a", 1: "b", 2: "c"} == model.config.id2label
    assert {"a": 0, "b": 1, "c": 2} == model.config.label2id
    assert (1, 3) == model(input_ids=torch.tensor([[5, 6]])).logits.shape
    assert 0.3 in (model.config.to_dict().get("dropout"), model.config.to_dict().get("hidden_dropout_prob"))


@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_more_tokens_than_the_base_reads_are_refused(tmp_path: Path, architecture: Architecture) -> None:
    """A max_length beyond the base model's positions is an error before the first step."""
    base = build_checkpoint(tmp_path / "base", architecture=architecture)
    load_classifier(str(base), ["a", "b"], HyperParameters(max_length=MAX_LENGTH))
    with pytest.raises(ModelError, match=f"exceeds the {MAX_LENGTH} tokens"):
        load_classifier(str(base), ["a", "b"], HyperParameters(max_length=MAX_LENGTH + 1))


def test_missing_base_is_one_line(tmp_path: Path) -> None:
    """A directory without a model is an error of one line."""
    with pytest.raises(ModelError, match="no readable tokenizer") as caught:
        load_tokenizer(str(tmp_path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="cannot be loaded as a classifier"):
        load_classifier(str(tmp_path), ["a", "b"], HyperParameters())


def test_head_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """More head tokens than max_length allows are refused."""
    tokenizer = load_tokenizer(str(build_checkpoint(tmp_path / "base")))
    with pytest.raises(ModelError, match="head_tokens 63 is more than the 30"):
        tokenization_of(tokenizer, HyperParameters(max_length=32))


def test_layers_learn_slower_the_deeper_they_lie(tmp_path: Path) -> None:
    """Learning rates fall by the factor from the classifier to the embeddings; vectors have no weight decay."""
    base = build_checkpoint(tmp_path / "base", layers=2)
    parameters = HyperParameters(max_length=32, layer_decay=0.5, peak_learning_rate=1.0, weight_decay=0.1)
    model = load_classifier(str(base), ["a", "b"], parameters)
    groups = parameter_groups(model, parameters)
    rates = {id(tensor): group["lr"] for group in groups for tensor in group["params"]}
    named = {name: rates[id(tensor)] for name, tensor in model.named_parameters()}
    assert 1.0 == named["classifier.weight"] == named["bert.pooler.dense.weight"]
    assert 0.5 == named["bert.encoder.layer.1.output.dense.weight"]
    assert 0.25 == named["bert.encoder.layer.0.output.dense.weight"]
    assert 0.125 == named["bert.embeddings.word_embeddings.weight"]
    assert all((group["weight_decay"] == 0.1) == (tensor.ndim > 1) for group in groups for tensor in group["params"])


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.safetensors", None), ("model.safetensors", b"\x40"), ("config.json", b"{"), ("config.json", b'{"a": 1}')],
)
def test_a_damaged_base_is_one_line(tmp_path: Path, name: str, content: bytes | None) -> None:
    """Cut weights and a broken configuration are an error that names the base, not a traceback."""
    base = build_checkpoint(tmp_path / "base")
    whole = (base / name).read_bytes()
    (base / name).write_bytes(whole[:-100] if content is None else content)
    with pytest.raises(ModelError, match=f"{base} cannot be loaded as a classifier: .") as caught:
        load_classifier(str(base), ["a", "b"], HyperParameters(max_length=MAX_LENGTH))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]"])
def test_a_damaged_tokenizer_is_one_line(tmp_path: Path, content: bytes) -> None:
    """A tokenizer that cannot be read is an error that names the base."""
    base = build_checkpoint(tmp_path / "base")
    (base / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelError, match=f"{base} has no readable tokenizer: .") as caught:
        load_tokenizer(str(base))
    assert "\n" not in str(caught.value)
