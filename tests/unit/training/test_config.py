"""Every knob says what it is."""

from dataclasses import fields

from training.config import HyperParameters


def test_every_knob_has_a_help_text() -> None:
    """The command line's help is made of these."""
    assert all(knob.metadata["help"] for knob in fields(HyperParameters))


def test_head_is_a_quarter_of_the_content() -> None:
    """The default head is a quarter of what fits beside two special tokens (Sun et al. 2019)."""
    defaults = HyperParameters()
    assert defaults.head_tokens == (defaults.max_length - 2) // 4
