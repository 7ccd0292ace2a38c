"""Every hyper-parameter of a training run, with its unit.

Owns the names, defaults and meaning of the knobs; the command line and ``recipe.json`` are made from these
fields, so that a knob can not exist in one of them only. Knows neither data nor model.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from artifact.manifest import Truncation


def _knob(default: Any, help_text: str, *choices: str) -> Any:  # noqa: ANN401 - as dataclasses.field
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
"""Least and largest sensible value of a knob; beyond them a run would fail late or learn nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperParameters:
    """How to fine-tune. The defaults are the recipe of a small BERT on mixed long and short texts.

    Raises:
        ValueError: if a knob is out of its range; the message names it.
    """

    max_length: int = _knob(256, "tokens read of a text, special tokens included; cost grows faster than linearly")
    truncation: Truncation = field(
        default="head_tail",
        metadata={
            "help": "how a longer text is read: its start, its start and end, or its start in training and all "
            "of it, window by window, when served",
            "choices": get_args(Truncation),
        },
    )
    head_tokens: int = _knob(63, "content tokens kept from the start by head_tail; a quarter (Sun et al. 2019)")
    epochs: float = _knob(1.0, "passes over the training rows, may be a fraction; the schedule ends with them")
    batch_texts: int = _knob(32, "texts a process reads per step, of about equal length")
    peak_learning_rate: float = _knob(1e-4, "reached after the warm-up, then falls in a line to zero")
    warm_up_ratio: float = _knob(0.06, "share of the steps in which the learning rate rises")
    weight_decay: float = _knob(0.01, "AdamW's, not applied to biases and layer norms")
    layer_decay: float = _knob(1.0, "each layer's learning rate is the next one's times this; 1 treats all alike")
    max_gradient_norm: float = _knob(1.0, "gradients longer than this are shortened to it")
    label_smoothing: float = _knob(0.0, "share of a label's probability given to the others")
    label_weights: str = _knob(
        "equal",
        "balanced lets rare labels count as much as frequent ones; finds more of them, at the cost of calibration",
        "equal",
        "balanced",
    )
    dropout: float = _knob(0.1, "of the hidden states")
    attention_dropout: float = _knob(
        0.0, "of the attention weights; on a CPU, drawing its masks costs a third of a step of 256 tokens"
    )
    quantization_aware: float = _knob(
        0.0, "share of the steps, the last ones, in which linear layers round to int8 as the export does"
    )
    precision: str = _knob(
        "bf16", "bf16 autocast is 2 to 4 times faster than fp32 where the processor has it", "bf16", "fp32"
    )
    seed: int = _knob(7, "of the split, the order of batches, dropout and the new classifier's weights")

    def __post_init__(self) -> None:
        for name, (least, largest) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= largest:
                raise ValueError(f"{name} must lie between {least:g} and {largest:g}, not {value:g}")
