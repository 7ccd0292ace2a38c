"""The hyper-parameters of a training run, with their units.

The command line and ``recipe.json`` are made from these fields, so both have all of them. Knows neither data nor model.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from artifact.manifest import Truncation


def _parameter(default: Any, help_text: str, *choices: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    return field(default=default, metadata={"help": help_text, "choices": choices or None})


_RANGES: Final[dict[str, tuple[float, float]]] = {
    "max_length": (3, math.inf),
    "head_tokens": (0, math.inf),
    "epochs": (1e-6, math.inf),
    "batch_texts": (1, math.inf),
    "peak_learning_rate": (1e-9, 1),
    "warm_up_ratio": (0, 1),
    "weight_decay": (0, 1),
    "layer_decay": (0.1, 1),
    "max_gradient_norm": (1e-6, math.inf),
    "label_smoothing": (0, 0.99),
    "quantization_aware": (0, 1),
    "dropout": (0, 0.99),
    "attention_dropout": (0, 0.99),
}
"""Smallest and largest sensible value; outside them a run would fail late or learn nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """How to fine-tune. The defaults suit a small BERT on a mix of long and short texts.

    Raises:
        ValueError: if a value is out of its range; the message names the field.
    """

    max_length: int = _parameter(256, "tokens read of a text, special tokens included; cost grows faster than linearly")
    truncation: Truncation = field(
        default="head_tail",
        metadata={
            "help": "how a longer text is read: its start, its start and end, or window by window; training reads "
            "only the first window",
            "choices": get_args(Truncation),
        },
    )
    head_tokens: int = _parameter(63, "content tokens kept from the start by head_tail; a quarter (Sun et al. 2019)")
    epochs: float = _parameter(
        1.0, "passes over the training rows, may be a fraction; the learning rate reaches 0 at their end"
    )
    batch_texts: int = _parameter(32, "texts of similar length per step and process")
    peak_learning_rate: float = _parameter(1e-4, "reached after the warm-up, then falls linearly to zero")
    warm_up_ratio: float = _parameter(0.06, "share of the steps during which the learning rate rises")
    weight_decay: float = _parameter(0.01, "of AdamW; not applied to biases and layer norms")
    layer_decay: float = _parameter(
        1.0, "each layer's learning rate is that of the layer above times this; 1: the same for all"
    )
    max_gradient_norm: float = _parameter(1.0, "gradients with a larger norm are scaled down to it")
    label_smoothing: float = _parameter(0.0, "share of the probability that is spread over all labels")
    label_weights: str = _parameter(
        "equal",
        "balanced weighs labels by their inverse frequency; finds more texts of rare labels, worsens calibration",
        "equal",
        "balanced",
    )
    dropout: float = _parameter(0.1, "of the hidden states")
    attention_dropout: float = _parameter(
        0.0, "of the attention weights; on a CPU it makes a step of 256 tokens a third slower"
    )
    quantization_aware: float = _parameter(
        0.0, "share of the steps, at the end, during which linear layers round to int8 as the export does"
    )
    precision: str = _parameter(
        "bf16", "bf16 autocast is 2 to 4 times faster than fp32 where the processor has it", "bf16", "fp32"
    )
    seed: int = _parameter(7, "seed of the split, the order of batches, dropout and the weights of the new classifier")

    def __post_init__(self) -> None:
        for name, (least, largest) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= largest:
                raise ValueError(f"{name} must lie between {least:g} and {largest:g}, not {value:g}")
