"""Pairs: rows of two texts, equal to what transformers would write, token for token and type for type."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from artifact.pairs import PairTokenization
from artifact.rows import pack, unpack
from tests.support.tiny import MAX_LENGTH, TINY, WORDS

CLS, SEP, UNK = (WORDS.index(word) for word in ("[CLS]", "[SEP]", "[UNK]"))
TEXTS = st.lists(st.sampled_from(WORDS[4:]), min_size=1, max_size=20).map(" ".join)


def make_tokenization(max_length: int = MAX_LENGTH) -> PairTokenization:
    """Return the tokenization of the tiny artifact for pairs."""
    return PairTokenization(Tokenizer.from_file(str(TINY / "tokenizer.json")), max_length=max_length)


def test_a_pair_is_one_row_with_types() -> None:
    """The second text and what follows it have type 1."""
    (text,) = make_tokenization().encode([("a b", "good ☃")], "head")
    second = [pack(token, 1) for token in (WORDS.index("good"), UNK, SEP)]
    assert ((CLS, WORDS.index("a"), WORDS.index("b"), SEP, *second),) == text.windows
    assert (7, False, 1, False) == (text.tokens, text.truncated, text.unknown, text.is_empty)


@given(first=TEXTS, second=TEXTS, max_length=st.integers(5, 30))
def test_a_long_pair_is_cut_as_the_tokenizer_itself_cuts(first: str, second: str, max_length: int) -> None:
    """The strategy "longest first" of the library, whatever the lengths."""
    reference = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    reference.enable_truncation(max_length, strategy="longest_first")
    expected = reference.encode(first, second)
    (text,) = make_tokenization(max_length).encode([(first, second)], "head")
    ids, types = unpack(np.array(text.windows[0]))
    assert (expected.ids, expected.type_ids) == (ids.tolist(), types.tolist())
    words = len(first.split()) + len(second.split()) + 3
    assert (len(expected.ids), words > max_length) == (text.tokens, text.truncated)
    assert make_tokenization(max_length).fewest_tokens((first, second)) <= text.tokens


def test_a_pair_of_which_a_text_has_no_token_is_empty() -> None:
    """The model would read nothing of it."""
    texts = make_tokenization().encode([("a", " "), (" ", "a"), ("a", "a")], "head")
    assert [True, True, False] == [text.is_empty for text in texts]


def test_only_pairs_are_read_and_in_one_way() -> None:
    """Single texts are of another kind, and windows or tails of pairs have no meaning."""
    tokenization = make_tokenization()
    assert (True, False) == (tokenization.reads(("a", "b")), tokenization.reads("a"))
    with pytest.raises(ValueError, match="a pair can not be read by 'window'"):
        tokenization.encode([("a", "b")], "window")
    with pytest.raises(ValueError, match="max_length 4 leaves no room for two texts"):
        make_tokenization(4)


def test_a_template_that_can_not_be_told_is_refused() -> None:
    """Both texts must stand in their order, or this code could not cut them."""
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[X]": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    template = "$B:1 [X] $A:0"
    tokenizer.post_processor = processors.TemplateProcessing(single="$A", pair=template, special_tokens=[("[X]", 1)])
    with pytest.raises(ValueError, match="not one after the other"):
        PairTokenization(tokenizer, max_length=16)


@pytest.mark.development
@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta"])
def test_pairs_are_read_as_transformers_reads_them(tmp_path: Path, architecture: Any) -> None:
    """Ids, types and cuts are those of the checkpoint's own fast tokenizer, on many kinds of text."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - not in the server's environment

    from tests.support.checkpoints import build_checkpoint  # noqa: PLC0415 - needs torch when it builds

    build_checkpoint(tmp_path, architecture=architecture)
    reference = AutoTokenizer.from_pretrained(tmp_path)
    tokenization = PairTokenization(Tokenizer.from_file(str(tmp_path / "tokenizer.json")), max_length=32)
    text = st.text(max_size=40).filter(lambda text: bool(reference(text, add_special_tokens=False)["input_ids"]))

    @given(first=text, second=text)
    def check(first: str, second: str) -> None:
        expected = reference(first, second, truncation=True, max_length=32)
        (pair,) = tokenization.encode([(first, second)], "head")
        ids, types = unpack(np.array(pair.windows[0]))
        assert expected["input_ids"] == ids.tolist()
        assert expected.get("token_type_ids", [0] * len(ids)) == types.tolist()

    check()
