"""Int8 rounding in training: values, steps and gradients."""

import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from transformers import TrainerControl, TrainerState

from training.learning.quantization import RoundLastSteps, rounded_input, rounded_weight

pytestmark = pytest.mark.development

values = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
matrices = arrays("float32", array_shapes(min_dims=2, max_dims=2, max_side=12), elements=values).map(torch.tensor)


@given(matrices)
def test_a_weight_moves_by_half_a_step_of_its_output_at_most(weight: torch.Tensor) -> None:
    """Each output has its own scale, set by its largest weight; that weight and zero are exact."""
    step = weight.abs().amax(dim=1, keepdim=True) / 127
    assert ((rounded_weight(weight) - weight).abs() <= 0.501 * step + 1e-8).all()
    assert (rounded_weight(weight)[weight == 0] == 0).all()


@given(matrices)
def test_an_input_moves_by_a_step_of_its_range_at_most(inputs: torch.Tensor) -> None:
    """One scale and 256 levels including zero: a value changes by at most half a step, at the ends by a whole step."""
    step = (inputs.max().clamp(min=0) - inputs.min().clamp(max=0)) / 255
    rounded = rounded_input(inputs)
    assert ((rounded - inputs).abs() <= 1.001 * step + 1e-8).all()
    assert (rounded[inputs == 0] == 0).all()


def test_gradients_pass_the_rounding() -> None:
    """Gradients pass the rounding unchanged, so the layers before it learn."""
    weight = torch.randn(3, 5, requires_grad=True)
    inputs = torch.randn(4, 5, requires_grad=True)
    (rounded_weight(weight).sum() + rounded_input(inputs).sum()).backward()
    assert torch.equal(weight.grad, torch.ones(3, 5))
    assert inputs.grad.mean() > 0.8  # all but the very ends of the range


def test_layers_round_in_the_last_steps_of_training_alone() -> None:
    """Layers round only in the last steps, not while held-out rows are scored and not after the run; weights stay."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs = torch.randn(16, 8)
    plain = model(inputs)
    rounding = RoundLastSteps(0.25)

    def step(number: int) -> torch.Tensor:
        rounding.on_step_begin(None, TrainerState(global_step=number, max_steps=8), TrainerControl(), model=model)
        return model(inputs)

    assert torch.equal(step(5), plain)
    assert not torch.equal(step(6), plain)
    assert torch.allclose(step(7), plain, atol=0.1)
    assert torch.equal(model.eval()(inputs), plain)
    assert not torch.equal(model.train()(inputs), plain)
    rounding.on_train_end()
    assert torch.equal(model(inputs), plain)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_no_share_is_no_rounding() -> None:
    """By default no step rounds."""
    model = torch.nn.Linear(8, 4)
    rounding = RoundLastSteps(0.0)
    rounding.on_step_begin(None, TrainerState(global_step=7, max_steps=8), TrainerControl(), model=model)
    assert "forward" not in vars(model)
