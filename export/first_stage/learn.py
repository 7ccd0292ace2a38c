"""Learn: rows of token ids and the graph's answers to them -> the int8 weights of the first stage.

The targets are the graph's probabilities, not the labels (Hinton et al. 2015, "Distilling the Knowledge in a Neural
Network"), so texts without labels teach as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from artifact.first_stage import ngrams
from artifact.rows import Row
from artifact.scores import Head

ORDERS: Final = 3
"""From single tokens to triples: those answer a tenth more of the sentences at the same loss, and no more reviews."""
LARGEST_BYTES: Final = 2 * 1024**2
_PASSES: Final = 4
_BATCH_TEXTS: Final = 256
_RATE: Final = 0.05
_DECAY: Final = 0.02
_DECAY_STEPS: Final = 50
"""Every so many steps all weights lose a fiftieth: pairs that were seen once or twice fade."""
_SEED: Final = 11
_INT8: Final = 127


@dataclass(frozen=True, slots=True)
class Weights:
    """A learned first stage.

    Attributes:
        weights: (buckets, labels) int8.
        scale: of the weights.
        bias: (labels,).
    """

    weights: NDArray[np.int8]
    scale: float
    bias: tuple[float, ...]

    def cooled(self, temperature: float) -> Self:
        """Return the same first stage with its logits divided by a temperature."""
        return replace(self, scale=self.scale / temperature, bias=tuple(value / temperature for value in self.bias))


def bits_for(labels: int) -> int:
    """Return the logarithm of the most buckets that fit into 2 MiB; a power of two."""
    return (LARGEST_BYTES // labels).bit_length() - 1


def learn(
    rows: Sequence[Row], targets: NDArray[np.float64], head: Head, tick: Callable[[], None] = lambda: None
) -> Weights:
    """Return the weights that answer most like the graph.

    Args:
        rows: token ids, special tokens included.
        targets: (rows, labels), the graph's probabilities.
        head: of the artifact, single-label or multi-label.
        tick: called once per row and pass.
    """
    torch.set_num_threads(1)  # steps are too small to share: on busy cores two threads take ten times as long
    bits = bits_for(targets.shape[1])
    features = [torch.from_numpy(ngrams(row, ORDERS, bits).astype(np.int64)) for row in rows]
    wanted = torch.from_numpy(targets.astype(np.float32))
    table = torch.nn.EmbeddingBag(1 << bits, targets.shape[1], mode="sum", sparse=True)
    torch.nn.init.zeros_(table.weight)
    bias = torch.nn.Parameter(torch.zeros(targets.shape[1]))
    optimizers = [torch.optim.SparseAdam([table.weight], lr=_RATE), torch.optim.Adam([bias], lr=_RATE)]
    draw = np.random.default_rng(_SEED)
    batches = [part for _ in range(_PASSES) for part in _batches(draw.permutation(len(rows)))]
    for step, batch in enumerate(batches):
        logits = _logits(table, bias, [features[index] for index in batch])
        loss = _loss(logits, wanted[torch.from_numpy(batch)], head)
        for optimizer in optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] = _RATE * (1 - step / len(batches))
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own
        for optimizer in optimizers:
            optimizer.step()
        if step % _DECAY_STEPS == 0:
            with torch.no_grad():
                table.weight.mul_(1 - _DECAY)
        for _ in batch:
            tick()
    return _quantized(table.weight.detach().numpy(), bias.detach().numpy())


def passes(rows: int) -> int:
    """Return how often ``learn`` calls ``tick``."""
    return rows * _PASSES


def _batches(order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [order[start : start + _BATCH_TEXTS] for start in range(0, len(order), _BATCH_TEXTS)]


def _logits(table: torch.nn.EmbeddingBag, bias: torch.Tensor, rows: Sequence[torch.Tensor]) -> torch.Tensor:
    lengths = torch.tensor([len(row) for row in rows])
    sums: torch.Tensor = table(torch.cat(list(rows)), lengths.cumsum(0) - lengths)
    return sums / lengths.sqrt()[:, None] + bias


def _loss(logits: torch.Tensor, targets: torch.Tensor, head: Head) -> torch.Tensor:
    if head.activation == "softmax":
        return torch.nn.functional.cross_entropy(logits / head.temperature, targets)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)


def _quantized(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> Weights:
    scale = float(np.abs(weights).max()) / _INT8 or 1.0
    return Weights(np.rint(weights / scale).astype(np.int8), scale, tuple(map(float, bias)))
