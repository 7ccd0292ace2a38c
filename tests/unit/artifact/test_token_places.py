"""Places of tokens: spans of the caller's own text, whatever the tokenizer makes of it, and what the model reads."""

import functools
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from artifact.manifest import Truncation
from artifact.pairs import PairTokenization
from artifact.rows import unpack
from artifact.tokenization import LocatedText, Tokenization
from tests.support.tiny import TINY

DEFAULT = Path(__file__).parents[3] / "models" / "default" / "tokenizer.json"
WAYS: tuple[Truncation, ...] = ("head", "head_tail", "window")
ODD = [
    "👍🏽",
    "👨‍👩‍👧",
    "e\u0301",
    "\u0301",
    "é",
    "ﬁ",
    "İ",
    "ß",
    "映画",
    "ｶﾞ",
    "영화",
    "ضعيف",
    "\u200d",
    "\u00ad",
    "\ufe0f",
    "\x00",
    "\ufffd",
]
PIECES = st.sampled_from([*ODD, " ", "\n", "\t", "a", "good", "Film", ".", "'s", "##", "▁", "Ġ", "[SEP]", "[UNK]"])
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join)


def byte_level() -> Tokenizer:
    """Return a tokenizer like RoBERTa's: each byte of UTF-8 has a token, so that an emoji has four."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {name: place for place, name in enumerate(["<s>", "</s>", *letters, "Ġa"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("Ġ", "a")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=False)
    return tokenizer


def unigram() -> Tokenizer:
    """Return a tokenizer like XLM-R's: it normalizes by compatibility and puts a mark before the first word."""
    pieces = [("<s>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0), ("▁good", -1.0), ("fi", -3.0), ("映", -3.0)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -5.0) for letter in "abcdegilmo.")], unk_id=2))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": lambda: Tokenizer.from_file(str(DEFAULT)),
    "words": lambda: Tokenizer.from_file(str(TINY / "tokenizer.json")),
    "bytes": byte_level,
    "unigram": unigram,
}


@functools.cache
def single(kind: str) -> Tokenization:
    """Return a tokenization of eight tokens, two of them special."""
    return Tokenization(TOKENIZERS[kind](), max_length=8, head_tokens=2)


@functools.cache
def paired(kind: str) -> PairTokenization:
    """Return a tokenization of pairs of ten tokens."""
    return PairTokenization(TOKENIZERS[kind](), max_length=10)


def check_places(located: LocatedText, parts: tuple[str, ...]) -> None:
    """Check that own tokens have spans of their text in order, and that what is read is in order."""
    assert len(parts) == len(located.read)
    for part, text in enumerate(parts):
        own = [token for token in located.tokens if token.part == part]
        places = [(token.start, token.stop) for token in own]
        assert all(0 <= start <= stop <= len(text) for start, stop in places if start is not None and stop is not None)
        assert sorted(start for start, _ in places if start is not None) == [start for start, _ in places]
        ends = [end for span in located.read[part] for end in span]
        assert sorted(ends) == ends
        assert not ends or (0 <= ends[0] and ends[-1] <= len(text))
        assert all(start < stop for start, stop in located.read[part] if start != stop)
    for token in located.tokens:
        assert (token.part is None) == (token.start is None) == (token.stop is None)


@pytest.mark.parametrize("kind", TOKENIZERS)
@given(text=TEXTS, way=st.sampled_from(WAYS))
@example(text="a👍🏽" * 4, way="head_tail")
def test_places_are_of_the_callers_own_text(kind: str, text: str, way: Truncation) -> None:
    """Tokens are those that the model is given, and their spans those of the text as it was sent."""
    tokenization = single(kind)
    located = tokenization.locate(text, way)
    check_places(located, (text,))
    (tokenized,) = tokenization.encode([text], way)
    (whole,) = Tokenization(TOKENIZERS[kind](), max_length=1000, head_tokens=2).encode([text], "head")
    assert list(whole.windows[0]) == [token.id for token in located.tokens]
    assert (tokenized.truncated, tokenized.unknown) == (located.truncated, sum(t.unknown for t in located.tokens))


def is_read(letter: str) -> bool:
    """Whether BERT's normalizer keeps a character: no accent, no control."""
    return unicodedata.category(letter) not in {"Mn", "Cc", "Cf", "Co", "Cs"}


@given(text=TEXTS)
def test_a_span_holds_the_letters_of_its_token(text: str) -> None:
    """The default model's tokenizer makes small letters without accents of them, and cuts words into pieces."""
    tokenization = single("wordpiece")
    for token in tokenization.locate(text, "head").tokens:
        if token.start is None or token.unknown or token.text.startswith("["):
            continue
        cut = text[token.start : token.stop]
        letters = "".join(filter(is_read, unicodedata.normalize("NFD", cut.lower())))
        piece = token.text if token.text == letters else token.text.removeprefix("##")
        assert piece in letters  # one of several where a character is taken apart, as Korean syllables are
        assert piece == letters or not cut.isascii()


@given(text=TEXTS)
def test_bytes_that_share_a_character_share_its_place(text: str) -> None:
    """Where each byte is a token, the places in order are those of the characters, each as often as it has bytes."""
    places = [token.start for token in single("bytes").locate(text.replace("a", "b"), "head").tokens[1:-1]]
    assert [place for place, each in enumerate(text.replace("a", "b")) for _ in each.encode()] == places


@pytest.mark.parametrize(
    ("way", "read"), [("head", [(1, 12)]), ("head_tail", [(1, 4), (9, 16)]), ("window", [(1, 16)])]
)
def test_what_is_read_is_told_to_the_character(way: Truncation, read: list[tuple[int, int]]) -> None:
    """Six words of eight fit: from the start, from both ends, or in windows that together have all."""
    located = single("words").locate(" a b c d e f g h ", way)
    assert (read, way != "window") == (located.read[0], located.truncated)
    assert ["[CLS]", *"abcdefgh", "[SEP]"] == [token.text for token in located.tokens]


def test_a_character_that_is_cut_apart_is_read_once() -> None:
    """Two of an emoji's bytes end the head of a text, and its last two begin the tail."""
    located = Tokenization(byte_level(), max_length=6, head_tokens=3).locate("b👍bb", "head_tail")
    assert [(0, 2), (3, 4)] == located.read[0]
    assert [(0, 3)] == Tokenization(byte_level(), max_length=7, head_tokens=3).locate("b👍b", "head_tail").read[0]


def test_a_text_without_a_token_is_not_read() -> None:
    """It has special tokens alone."""
    located = single("words").locate(" ", "head")
    assert ([], False, [None, None]) == (located.read[0], located.truncated, [token.start for token in located.tokens])


@pytest.mark.parametrize("kind", ["wordpiece", "words", "unigram"])
@given(first=TEXTS, second=TEXTS)
def test_both_texts_of_a_pair_have_places(kind: str, first: str, second: str) -> None:
    """Each token is of one of them, and tells of which; the row holds what is read of both."""
    tokenization = paired(kind)
    located = tokenization.locate((first, second), "head")
    check_places(located, (first, second))
    (tokenized,) = tokenization.encode([(first, second)], "head")
    (whole,) = PairTokenization(TOKENIZERS[kind](), max_length=1000).encode([(first, second)], "head")
    assert unpacked(whole.windows[0]) == [token.id for token in located.tokens]
    assert (tokenized.truncated, tokenized.unknown) == (located.truncated, sum(t.unknown for t in located.tokens))


def unpacked(row: tuple[int, ...]) -> list[int]:
    """Return the ids of a row without their types."""
    ids: list[int] = unpack(np.array(row))[0].tolist()
    return ids
