"""The loss for labels that are unequally frequent or uncertain.

Owns label weights and soft targets. Without either, the model computes its own loss.
"""

from collections import Counter
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy
from transformers.modeling_outputs import SequenceClassifierOutput

from training.data.targets import Example


def balanced_weights(labels: Sequence[int], count: int) -> torch.Tensor:
    """Return a weight per label, (count,) float32: inverse to its frequency, 1 on average over the rows.

    The formula of scikit-learn's ``class_weight="balanced"`` (King & Zeng 2001).
    """
    found = Counter(labels)
    return torch.tensor([len(labels) / (count * found[label]) for label in range(count)])


def soft_targets(examples: Sequence[Example], count: int) -> list[list[float]]:
    """Return each label's probability per text, (texts, labels); the other labels share the rest evenly."""
    targets = []
    for example in examples:
        target = [(1 - example.confidence) / (count - 1)] * count
        target[example.label] = example.confidence
        targets.append(target)
    return targets


class Loss:
    """Cross entropy with weights per label and soft targets, as the Trainer's ``compute_loss_func``.

    Args:
        weights: (labels,) float32; None: all labels weigh the same.
        label_smoothing: share of the probability that is spread over all labels.
    """

    def __init__(self, weights: torch.Tensor | None, label_smoothing: float) -> None:
        self._weights = weights
        self._label_smoothing = label_smoothing

    def __call__(
        self,
        outputs: SequenceClassifierOutput,
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Return the loss per text, averaged over the texts of all processes.

        Args:
            outputs: with ``logits`` (batch, labels).
            labels: (batch,) int64 indices or (batch, labels) float32 probabilities.
            num_items_in_batch: number of elements of ``labels`` over all processes; the Trainer multiplies the result
                by the number of processes.
        """
        weights = None if self._weights is None else self._weights.to(outputs.logits.device)
        total = cross_entropy(
            outputs.logits.float(),
            labels,
            weight=weights,
            reduction="sum",
            label_smoothing=self._label_smoothing,
        )
        return total * labels[0].numel() / (num_items_in_batch or labels.numel())
