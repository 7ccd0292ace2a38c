"""Emoji and emoticons are tokens of their own, whatever their skin tone or variation."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from training.emoji import extend_tokenizer, signs

pytestmark = pytest.mark.development

TOKENIZER = Path(__file__).parents[3] / "models" / "default" / "tokenizer.json"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Return the default model's tokenizer with tokens for the signs."""
    extended = Tokenizer.from_file(str(TOKENIZER))
    extend_tokenizer(extended)
    return extended


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        (["👍", "great"], "👍🏽 great"),
        (["nice", "🥰", "🥰", "!"], "nice🥰🥰!"),
        (["❤", "🔥", "☺"], "❤️‍🔥☺️"),
        (["thanks", ":)"], "thanks :)"),
        (["great", ":)"], "great:)"),
        ([":(", "<3"], ":( <3"),
    ],
)
def test_signs_are_tokens(tokenizer: Tokenizer, expected: list[str], text: str) -> None:
    """Skin tones, variation selectors and joiners leave no token."""
    assert expected == tokenizer.encode(text, add_special_tokens=False).tokens


@pytest.mark.parametrize("text", ["see http://example.org/a", "XDR", "list: a:b", "5 > 3"])
def test_ordinary_text_holds_no_sign(tokenizer: Tokenizer, text: str) -> None:
    """An emoticon inside a word or an address is none."""
    tokens = tokenizer.encode(text, add_special_tokens=False).tokens
    assert not {sign.text for sign in signs()} & set(tokens)


def test_every_sign_is_known(tokenizer: Tokenizer) -> None:
    """Each of the signs is one token, and there are at least 300."""
    tokens = [tokenizer.encode(sign.text, add_special_tokens=False).tokens for sign in signs()]
    assert [[sign.text] for sign in signs()] == tokens
    assert 300 <= len(tokens)


def test_the_same_tokens_after_another_extension(tokenizer: Tokenizer) -> None:
    """A tokenizer that has the signs gets none twice."""
    again = Tokenizer.from_str(tokenizer.to_str())
    assert {} == extend_tokenizer(again)
    assert ["👍"] == again.encode("👍🏽", add_special_tokens=False).tokens
