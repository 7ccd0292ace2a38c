"""Tokenization: text -> rows of token ids that the model can read.

What a model is trained on, proved on and served on must be cut by one piece of code, so training and export
import this module too. It knows neither batches nor the runtime: padding is the batch's business. ``artifact.pairs``
does the same for models that read pairs of texts.

Long texts are read in one of three ways (``Truncation`` in the artifact module): ``head`` keeps the first
tokens; ``head_tail`` keeps ``head_tokens`` from the start and the rest from the end (Sun et al. 2019, "How to
Fine-Tune BERT for Text Classification?", found head and tail best on IMDB); ``window`` reads everything, in
windows that overlap by a quarter.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from artifact.manifest import TextOrPair, Truncation
from artifact.rows import Row

_PROBE = "a"


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """One text as the model will read it.

    Attributes:
        windows: rows of ``artifact.rows``; one unless the text is read by windows.
        weights: content tokens in each window, to average the windows' logits by; 0 where the text has no token.
        tokens: tokens read, special tokens of one row included.
        truncated: whether any token of the text was left out.
        unknown: tokens of the text, read or not, that stand for characters that the tokenizer does not know.
    """

    windows: tuple[Row, ...]
    weights: tuple[int, ...]
    tokens: int
    truncated: bool
    unknown: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether the text has no token of its own, so that the model would read nothing of it."""
        return not self.weights[0]


class Tokenization:
    """Turn texts into token ids of at most ``max_length``; safe to call from several threads.

    Args:
        tokenizer: what maps text to ids; its own truncation and padding are switched off here, once.
        max_length: tokens per row at most, special tokens included.
        head_tokens: content tokens that ``head_tail`` keeps from the start.

    Raises:
        ValueError: if ``max_length`` leaves no room for content or ``head_tokens`` does not fit into it.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, head_tokens: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._unknown_id = unknown_id(tokenizer)
        self._prefix, self._suffix = _special_tokens(tokenizer)
        self._room = max_length - len(self._prefix) - len(self._suffix)
        if self._room < 1:
            raise ValueError(f"max_length {max_length} leaves no room beside the special tokens")
        if head_tokens > self._room:
            raise ValueError(f"head_tokens {head_tokens} is more than the {self._room} tokens of content")
        self._head_tokens = head_tokens

    @property
    def largest_id(self) -> int:
        """The largest token id that any text can get: of the vocabulary, added tokens and special tokens."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return int(max([*vocabulary.values(), *self._prefix, *self._suffix]))

    def reads(self, text: TextOrPair) -> bool:
        """Return whether a text is of the kind that the model reads: a single text."""
        return isinstance(text, str)

    def encode(self, texts: Sequence[TextOrPair], truncation: Truncation) -> list[TokenizedText]:
        """Tokenize texts in order.

        Args:
            texts: of the kind that ``reads`` accepts; valid Unicode, no lone surrogates.
            truncation: how texts longer than ``max_length`` are read.
        """
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)  # fast: without offsets
        return [self._cut(encoding.ids, truncation) for encoding in encodings]

    def fewest_tokens(self, text: TextOrPair) -> int:
        """Return how many tokens of a text are read at least, special tokens included, without tokenizing it.

        An estimate, at a fiftieth of the cost: every word has a token, unless a tokenizer drops its characters.
        """
        words = len(text.split(None, self._room)) if isinstance(text, str) else 0  # and the rest
        return min(words, self._room) + len(self._prefix) + len(self._suffix)

    def _cut(self, ids: list[int], truncation: Truncation) -> TokenizedText:
        special = len(self._prefix) + len(self._suffix)
        unknown = ids.count(self._unknown_id)
        if len(ids) <= self._room:
            row = self._row(ids)
            return TokenizedText((row,), (len(ids),), len(ids) + special, truncated=False, unknown=unknown)
        if truncation == "window":
            starts = self._window_starts(len(ids))
            windows = tuple(self._row(ids[start : start + self._room]) for start in starts)
            weights = (self._room,) * len(windows)
            return TokenizedText(windows, weights, len(ids) + special, truncated=False, unknown=unknown)
        head = self._room if truncation == "head" else self._head_tokens
        kept = ids[:head] + ids[len(ids) - (self._room - head) :]
        row = self._row(kept)
        return TokenizedText((row,), (self._room,), self._room + special, truncated=True, unknown=unknown)

    def _window_starts(self, length: int) -> list[int]:
        """Where windows begin: a stride of three quarters, the last one moved back to end with the text."""
        stride = max(1, self._room * 3 // 4)
        last = length - self._room
        return [*range(0, last, stride), last]

    def _row(self, ids: list[int]) -> Row:
        return (*self._prefix, *ids, *self._suffix)


def unknown_id(tokenizer: Tokenizer) -> int:
    """Return the id of what the tokenizer does not know, -1 if it knows every character."""
    if hasattr(tokenizer.model, "unk_token"):
        found = tokenizer.token_to_id(tokenizer.model.unk_token or "")
    else:  # Unigram has an id for it, which no attribute shows
        found = json.loads(tokenizer.to_str())["model"].get("unk_id")
    return -1 if found is None else int(found)


def _special_tokens(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer's own template puts before and after a text."""
    content = tokenizer.encode(_PROBE, add_special_tokens=False).ids
    framed = tokenizer.encode(_PROBE, add_special_tokens=True).ids
    for start in range(len(framed) - len(content) + 1):
        end = start + len(content)
        if content and framed[start:end] == content:
            return framed[:start], framed[end:]
    raise ValueError(
        f"the tokenizer reads {_PROBE!r} as {content} and frames it as {framed}; use one that has a token for it and "
        "puts special tokens before and after a text's own, nothing else"
    )
