"""Tokenization: rows that fit, cut by three laws, equal to what the tokenizer itself would write."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace
from tokenizers.processors import TemplateProcessing

from artifact.manifest import Truncation
from artifact.tokenization import Tokenization, TokenizedText
from tests.support.tiny import HEAD_TOKENS, MAX_LENGTH, TINY, WORDS

UNK, CLS, SEP = (WORDS.index(word) for word in ("[UNK]", "[CLS]", "[SEP]"))
ROOM = MAX_LENGTH - 2

TEXTS = st.lists(st.sampled_from(WORDS[4:]), max_size=60).map(" ".join)
ANY_TEXT = st.text(max_size=80)


@pytest.fixture(scope="module")
def tokenization() -> Tokenization:
    """Return the tiny artifact's tokenization."""
    return make_tokenization()


def make_tokenization(max_length: int = MAX_LENGTH, head_tokens: int = HEAD_TOKENS) -> Tokenization:
    """Return a tokenization with other limits."""
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    return Tokenization(tokenizer, max_length=max_length, head_tokens=head_tokens)


def content(text: str) -> list[int]:
    """Return the ids of a text's words, nothing cut and nothing added."""
    return [WORDS.index(word) if word in WORDS else UNK for word in text.split()]


def encode(tokenization: Tokenization, text: str, truncation: Any) -> TokenizedText:
    """Tokenize one text."""
    (tokenized,) = tokenization.encode([text], truncation)
    return tokenized


@pytest.mark.parametrize("truncation", ["head", "head_tail", "window"])
def test_a_text_that_fits_is_one_row_as_it_is(tokenization: Tokenization, truncation: str) -> None:
    """Up to the last token that fits, all three ways of reading are the same."""
    for words in (1, ROOM - 1, ROOM):
        text = " ".join(["good"] * words)
        expected = ((CLS, *content(text), SEP),)
        tokenized = encode(tokenization, text, truncation)
        assert TokenizedText(expected, (words,), words + 2, truncated=False) == tokenized


@pytest.mark.parametrize(("text", "unknown"), [("good bad", 0), ("good 👍 ☃", 2), (" ".join(["☃"] * 40), 40)])
def test_unknown_tokens_are_counted_in_the_whole_text(tokenization: Tokenization, text: str, unknown: int) -> None:
    """Each way of reading counts what the tokenizer does not know, also in what is cut off."""
    assert [unknown] * 3 == [encode(tokenization, text, way).unknown for way in ("head", "head_tail", "window")]


def test_the_unknown_token_of_a_unigram_model_is_found() -> None:
    """Unigram models name it by its place in the vocabulary alone."""
    model = Unigram([("<s>", -1.0), ("</s>", -1.0), ("▁a", -1.0), ("<unk>", -9.0)], unk_id=3)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = Metaspace()
    tokenizer.post_processor = TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    (text,) = Tokenization(tokenizer, max_length=8, head_tokens=2).encode(["a ☃ a"], "head")
    assert 1 == text.unknown


@given(text=TEXTS, truncation=st.sampled_from(["head", "head_tail", "window"]))
def test_a_text_has_no_fewer_tokens_than_its_words_say(
    tokenization: Tokenization, text: str, truncation: Truncation
) -> None:
    """What is refused before it is read would not have fitted; what is cut is no reason to refuse it."""
    fewest = tokenization.fewest_tokens(text)
    assert min(len(text.split()) + 2, MAX_LENGTH) == fewest
    assert fewest <= sum(len(row) for row in encode(tokenization, text, truncation).windows)


def test_a_text_without_a_token_is_a_row_of_special_tokens(tokenization: Tokenization) -> None:
    """It says that it is empty: the model would read nothing of it."""
    for truncation in ("head", "head_tail", "window"):
        tokenized = encode(tokenization, " ", truncation)
        assert TokenizedText(((CLS, SEP),), (0,), 2, truncated=False) == tokenized
        assert tokenized.is_empty
        assert not encode(tokenization, "a", truncation).is_empty


@given(
    texts=st.lists(TEXTS | ANY_TEXT, min_size=1, max_size=5),
    truncation=st.sampled_from(["head", "head_tail", "window"]),
)
def test_no_row_is_longer_than_the_model_reads(tokenization: Tokenization, texts: list[str], truncation: Any) -> None:
    """Whatever the text, every row is framed by the special tokens and at most ``max_length`` long."""
    tokenized = tokenization.encode(texts, truncation)
    assert len(texts) == len(tokenized)
    for text in tokenized:
        assert len(text.windows) == len(text.weights)
        for row in text.windows:
            assert (CLS, SEP) == (row[0], row[-1])
            assert 2 <= len(row) <= MAX_LENGTH
        assert text.is_empty or all(weight >= 1 for weight in text.weights)


@given(
    texts=st.lists(TEXTS | ANY_TEXT, min_size=1, max_size=5),
    truncation=st.sampled_from(["head", "head_tail", "window"]),
)
def test_a_text_is_read_the_same_alone_and_among_others(
    tokenization: Tokenization, texts: list[str], truncation: Any
) -> None:
    """The batch that a text came in with does not change a token of it."""
    together = tokenization.encode(texts, truncation)
    assert [encode(tokenization, text, truncation) for text in texts] == together


@given(text=TEXTS)
def test_head_keeps_the_start(tokenization: Tokenization, text: str) -> None:
    """The row is a prefix of the text, as long as fits."""
    tokenized = encode(tokenization, text, "head")
    ids = content(text)
    assert ((CLS, *ids[:ROOM], SEP),) == tokenized.windows
    assert (len(ids) > ROOM, min(len(ids), ROOM) + 2) == (tokenized.truncated, tokenized.tokens)


@given(text=TEXTS, head_tokens=st.integers(0, ROOM))
def test_head_and_tail_keep_both_ends(text: str, head_tokens: int) -> None:
    """The row is so many tokens from the start and all the others from the end, none twice."""
    tokenized = encode(make_tokenization(head_tokens=head_tokens), text, "head_tail")
    ids = content(text)
    tail = ROOM - head_tokens
    expected = ids if len(ids) <= ROOM else ids[:head_tokens] + (ids[-tail:] if tail else [])
    assert ((CLS, *expected, SEP),) == tokenized.windows
    assert (len(ids) > ROOM, len(expected) + 2) == (tokenized.truncated, tokenized.tokens)


@given(words=st.integers(0, 200), max_length=st.integers(3, 40))
def test_windows_cover_everything_in_order(words: int, max_length: int) -> None:
    """Windows begin with the text, end with it, skip nothing, overlap and are full: no token is unread."""
    room = max_length - 2
    vocabulary = {str(index): index for index in range(200)} | {"[CLS]": 200, "[SEP]": 201, "a": 202}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 200), ("[SEP]", 201)]
    )
    tokenization = Tokenization(tokenizer, max_length=max_length, head_tokens=0)
    tokenized = encode(tokenization, " ".join(str(index) for index in range(words)), "window")
    assert (words + 2, False) == (tokenized.tokens, tokenized.truncated)
    windows = [list(row[1:-1]) for row in tokenized.windows]
    if words <= room:
        assert [list(range(words))] == windows
        return
    starts = [window[0] for window in windows]
    assert [list(range(start, start + room)) for start in starts] == windows
    assert (0, words - room) == (starts[0], starts[-1])
    assert all(1 <= after - before <= max(1, room * 3 // 4) for before, after in pairwise(starts))
    assert {room} == set(tokenized.weights)


def test_windows_overlap_by_a_quarter() -> None:
    """Rows of 16 content tokens begin 12 tokens apart; the last one is moved back to end with the text."""
    tokenization = make_tokenization(max_length=18, head_tokens=4)
    text = " ".join(WORDS[4 + index % (len(WORDS) - 4)] for index in range(50))
    ids = content(text)
    windows = [row[1:-1] for row in encode(tokenization, text, "window").windows]
    assert [tuple(ids[start : start + 16]) for start in (0, 12, 24, 34)] == windows


def test_a_serialized_truncation_or_padding_is_switched_off() -> None:
    """What a tokenizer file says about cutting and padding does not count: it would cut unseen."""
    tokenizer = Tokenizer.from_file(str(TINY / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=32)
    tokenization = Tokenization(tokenizer, max_length=MAX_LENGTH, head_tokens=0)
    assert ((CLS, *content("a b c d e f"), SEP),) == encode(tokenization, "a b c d e f", "head").windows


@pytest.mark.parametrize(("max_length", "head_tokens", "words"), [(2, 0, "no room"), (3, 2, "more than the 1 tokens")])
def test_limits_that_can_not_be_kept_are_refused(max_length: int, head_tokens: int, words: str) -> None:
    """Special tokens and the head must fit into a row."""
    with pytest.raises(ValueError, match=words):
        make_tokenization(max_length, head_tokens)


def _with_template(template: str, special: list[tuple[str, int]]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[X]": 1, "[Y]": 2, "[UNK]": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if template:
        tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    return tokenizer


@pytest.mark.parametrize(
    ("template", "special", "row"),
    [
        ("", [], (0, 0)),
        ("[X] $A", [("[X]", 1)], (1, 0, 0)),
        ("$A [Y]", [("[Y]", 2)], (0, 0, 2)),
        ("[X] [Y] $A [Y] [Y]", [("[X]", 1), ("[Y]", 2)], (1, 2, 0, 0, 2, 2)),
    ],
)
def test_any_frame_of_special_tokens_is_found(
    template: str, special: list[tuple[str, int]], row: tuple[int, ...]
) -> None:
    """The frame is the tokenizer's own, be it BERT's, a lone end, several tokens or none."""
    tokenization = Tokenization(_with_template(template, special), max_length=8, head_tokens=0)
    tokenized = encode(tokenization, "a a", "head")
    assert ((row,), len(row)) == (tokenized.windows, tokenized.tokens)


def test_a_tokenizer_whose_frame_can_not_be_told_is_refused() -> None:
    """Where the text's own tokens do not stand between the special ones, this code could not cut it."""
    with pytest.raises(ValueError, match=r"reads 'a' as \[\] and frames it as \[1\]"):
        Tokenization(_with_template("[X]", [("[X]", 1)]), max_length=8, head_tokens=0)


@pytest.mark.development
@pytest.mark.parametrize("architecture", ["bert", "distilbert", "roberta"])
def test_short_texts_are_read_as_transformers_reads_them(tmp_path: Path, architecture: Any) -> None:
    """What the model was trained on by transformers is what the server feeds it, token for token."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - not in the server's environment

    from tests.support.checkpoints import build_checkpoint  # noqa: PLC0415 - needs torch when it builds

    build_checkpoint(tmp_path, architecture=architecture)
    reference = AutoTokenizer.from_pretrained(tmp_path)
    raw = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenization = Tokenization(raw, max_length=64, head_tokens=10)
    texts = [
        "The film was GOOD!",
        "na\u00efve caf\u00e9",
        "a",
        "unseenword 123",
        "  spaces\tand\nlines ",
        "\u4f60\u597d \U0001f600",
        "it's not-bad",
    ]
    expected = [tuple(reference(text)["input_ids"]) for text in texts]
    for truncation in ("head", "head_tail", "window"):
        assert [(row,) for row in expected] == [encode(tokenization, text, truncation).windows for text in texts]
    long = " ".join(["film"] * 200)
    expected_head = tuple(reference(long, truncation=True, max_length=64)["input_ids"])
    assert (expected_head,) == encode(tokenization, long, "head").windows
