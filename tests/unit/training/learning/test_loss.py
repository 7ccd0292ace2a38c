"""Rare labels can count as much as frequent ones."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from training.data.training_data import Example  # noqa: E402 - as below
from training.learning.loss import Loss, balanced_weights, soft_targets  # noqa: E402 - behind the check for torch

pytestmark = pytest.mark.development


def test_weights_are_one_on_average() -> None:
    """A label that is three times as rare weighs three times as much; the mean weight of the rows is 1."""
    labels = [0, 0, 0, 1]
    weights = balanced_weights(labels, 2)
    assert pytest.approx([2 / 3, 2]) == weights.tolist()
    assert pytest.approx(1) == weights[labels].mean().item()


def test_equal_weights_are_plain_cross_entropy() -> None:
    """With weights of 1 the loss is torch's cross entropy, averaged over the texts that the Trainer counted."""
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    loss = Loss(torch.ones(2), 0.1)
    plain = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert pytest.approx(plain.item()) == loss(SimpleNamespace(logits=logits), labels).item()
    assert pytest.approx(plain.item() / 2) == loss(SimpleNamespace(logits=logits), labels, 4).item()


def test_soft_targets_leave_the_rest_to_the_other_labels() -> None:
    """A label has its probability; the other labels share the rest evenly."""
    examples = [Example("a", 1, "s", 0.7), Example("b", 0, "s")]
    assert soft_targets(examples, 3) == [pytest.approx([0.15, 0.7, 0.15]), [1, 0, 0]]


def test_soft_targets_that_are_certain_cost_what_labels_cost() -> None:
    """Soft targets of certain labels give the loss of the indices, although the Trainer counts each probability."""
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0, 0])
    outputs, soft = SimpleNamespace(logits=logits), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    loss = Loss(None, 0.1)
    assert pytest.approx(loss(outputs, labels).item()) == loss(outputs, soft).item()
    assert pytest.approx(loss(outputs, labels, labels.numel()).item()) == loss(outputs, soft, soft.numel()).item()
    unsure = torch.tensor([[0.5, 0.5], [0.5, 0.5]])
    assert loss(outputs, unsure).item() < loss(outputs, labels).item()
