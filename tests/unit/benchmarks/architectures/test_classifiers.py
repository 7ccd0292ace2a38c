"""Classifiers of any width, with random weights."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
import torch

from benchmarks.architectures.classifiers import ARCHITECTURES, MAX_LENGTH, build

pytestmark = [
    pytest.mark.development,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch and transformers about each other
]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_classifier_has_the_shape_that_was_asked_for(name: str) -> None:
    """Transformers renames settings in some architectures; an ignored one would give the default width."""
    model = build(name, 32, 2, vocabulary=100)
    config = model.config
    assert (32, 2, 2) == (config.hidden_size, config.num_hidden_layers, config.num_attention_heads)
    assert (100, 32) == tuple(model.base_model.get_input_embeddings().weight.shape) or "albert" == name
    widened = round(ARCHITECTURES[name].widening * 32)
    assert any(widened in parameter.shape for parameter in model.parameters())
    with torch.inference_mode():
        logits = model(input_ids=torch.arange(5, MAX_LENGTH % 90 + 5)[None]).logits
    assert (1, 2) == tuple(logits.shape)
    assert bool(torch.isfinite(logits).all())


def test_an_architecture_has_its_own_vocabulary_unless_another_is_asked_for() -> None:
    """It decides most of the size."""
    assert 30_522 == build("distilbert", 32, 1).config.vocab_size
    assert 64 == build("distilbert", 32, 1, vocabulary=64).config.vocab_size
