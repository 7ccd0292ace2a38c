"""Quantization-aware training: the weights learn under the int8 rounding that the export applies.

In the last steps of a run every linear layer multiplies rounded inputs by rounded weights. Gradients ignore the
rounding (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference"). The checkpoint holds the unrounded weights, and predictions outside training are not rounded. Knows
nothing of ONNX.
"""

from functools import partial
from typing import Any, Final

import torch
from torch.nn.functional import linear
from transformers import PreTrainedModel, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_WEIGHT_LEVEL: Final = 127
_INPUT_LEVELS: Final = 255
_LEAST_SCALE: Final = 1e-9  # for tensors of zeros


def rounded_weight(weight: torch.Tensor) -> torch.Tensor:
    """Return weights, (outputs, inputs) float32, rounded to signed int8 with a scale per output."""
    scale = (weight.detach().abs().amax(dim=1) / _WEIGHT_LEVEL).clamp(min=_LEAST_SCALE)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -_WEIGHT_LEVEL, _WEIGHT_LEVEL)


def rounded_input(values: torch.Tensor) -> torch.Tensor:
    """Return values of any shape, float32, rounded to unsigned int8 over their range, which includes 0."""
    values = values.float()
    low, high = torch.aminmax(values.detach())
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = ((high - low) / _INPUT_LEVELS).clamp(min=_LEAST_SCALE)
    zero = (-low / scale).round().to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(values, scale, zero, 0, _INPUT_LEVELS)


class RoundLastSteps(TrainerCallback):  # type: ignore[misc]  # transformers is not followed
    """Makes the linear layers round in the last steps of training.

    Only the number of the step decides, so a resumed run rounds at the same steps.

    Args:
        share: share of the run's steps, at the end.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._layers: list[torch.nn.Linear] = []

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: PreTrainedModel,
        **_: Any,  # noqa: ANN401 - the Trainer's
    ) -> None:
        """Start rounding at the first of the last steps."""
        if not self._layers and state.global_step >= (1 - self._share) * state.max_steps:
            self._layers = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
            for layer in self._layers:
                layer.forward = partial(_forward, layer)  # type: ignore[method-assign]  # undone when training ends

    def on_train_end(self, *_: object, **__: object) -> None:
        """Stop rounding."""
        for layer in self._layers:
            del layer.forward
        self._layers = []


def _forward(layer: torch.nn.Linear, values: torch.Tensor) -> torch.Tensor:
    if not layer.training:
        return linear(values, layer.weight, layer.bias)
    return linear(rounded_input(values), rounded_weight(layer.weight), layer.bias)
