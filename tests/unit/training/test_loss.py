"""Rare labels can count as much as frequent ones."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from training.loss import WeightedLoss, balanced_weights  # noqa: E402 - behind the check for torch

pytestmark = pytest.mark.development


def test_weights_are_one_on_average() -> None:
    """A label three times as rare weighs three times as much; over the rows the weights average to 1."""
    labels = [0, 0, 0, 1]
    weights = balanced_weights(labels, 2)
    assert weights.tolist() == pytest.approx([2 / 3, 2])
    assert weights[labels].mean().item() == pytest.approx(1)


def test_equal_weights_are_plain_cross_entropy() -> None:
    """With weights of 1 the loss is torch's own, averaged over the texts that the Trainer counted."""
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    loss = WeightedLoss(torch.ones(2), 0.1)
    plain = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert loss(SimpleNamespace(logits=logits), labels).item() == pytest.approx(plain.item())
    assert loss(SimpleNamespace(logits=logits), labels, 4).item() == pytest.approx(plain.item() / 2)
