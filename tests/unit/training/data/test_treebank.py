"""Treebank text becomes natural text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.treebank import detokenize


@pytest.mark.parametrize(
    ("stored", "natural"),
    [
        ("it 's a charming film .", "it's a charming film."),
        ("you do n't , you wo n't", "you don't, you won't"),
        ("-lrb- and -rrb-", "(and)"),
        ("pay your $ 8 ( or not )", "pay your $8 (or not)"),
        ("`` solaris '' is shapeless", '"solaris" is shapeless'),
        ("the ` bad ' company", "the 'bad' company"),
        ("kids ' films", "kids ' films"),
        ("and/or , 1\\/2 ...", "and/or, 1/2..."),
        ("can not be gon na", "cannot be gonna"),
        ("what ? !", "what?!"),
        ("'s a shame", "'s a shame"),
    ],
)
def test_parser_output_becomes_natural(stored: str, natural: str) -> None:
    """Clitics, brackets, quotes and punctuation are joined as a person writes them."""
    assert detokenize(stored) == natural


@pytest.mark.parametrize("text", ["It's great, isn't it?", 'He said "no" (twice).', "plain words"])
def test_natural_text_stays(text: str) -> None:
    """Natural text is returned unchanged."""
    assert detokenize(text) == text


@given(st.text(alphabet="ab ',.()`\"n't-"))
def test_letters_survive(text: str) -> None:
    """For any input, no letter is lost or moved."""
    assert [c for c in detokenize(text) if c.isalpha()] == [c for c in text if c.isalpha()]
