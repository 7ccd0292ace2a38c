"""Every hyper-parameter has a help text and a range."""

from dataclasses import fields

import pytest

from training.config import HyperParameters


def test_every_knob_has_a_help_text() -> None:
    """Every field has the help text that the command line shows."""
    assert all(knob.metadata["help"] for knob in fields(HyperParameters))


def test_head_is_a_quarter_of_the_content() -> None:
    """The default head is a quarter of the tokens that fit beside two special tokens (Sun et al. 2019)."""
    defaults = HyperParameters()
    assert defaults.head_tokens == (defaults.max_length - 2) // 4


@pytest.mark.parametrize(
    ("knob", "value"), [("epochs", 0.0), ("batch_texts", 0), ("dropout", 1.0), ("warm_up_ratio", -0.1)]
)
def test_knob_out_of_range_is_named(knob: str, value: float) -> None:
    """A value that would fail late or learn nothing is refused with the field's name and range."""
    with pytest.raises(ValueError, match=f"{knob} must lie between"):
        HyperParameters(**{knob: value})
