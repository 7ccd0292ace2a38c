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

from tokenizers import Encoding, Tokenizer

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


@dataclass(frozen=True, slots=True)
class Token:
    """One token and the characters that it stands for.

    Attributes:
        id: in the vocabulary.
        text: in the vocabulary.
        start: first character, counted in Unicode code points of the text as it was sent; None for a special token.
        stop: the character after the last one, likewise.
        unknown: whether it stands for characters that the tokenizer does not know.
        part: 0 where it is of the text, 1 where it is of the text_pair; None for a special token.
    """

    id: int
    text: str
    start: int | None
    stop: int | None
    unknown: bool
    part: int | None


@dataclass(frozen=True, slots=True)
class LocatedText:
    """All tokens of one text or pair, read or not, in the frame of special tokens.

    Attributes:
        tokens: in the order of the row that would hold all of them.
        truncated: as in ``TokenizedText``.
        read: for the text, and for the text_pair of a pair: which characters the model reads. Spans of code points,
            in order and apart.
    """

    tokens: list[Token]
    truncated: bool
    read: tuple[list[tuple[int, int]], ...]


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

    def locate(self, text: TextOrPair, truncation: Truncation) -> LocatedText:
        """Return the tokens of one text with their places in it; takes about twice as long as ``encode``.

        Args:
            text: as for ``encode``.
            truncation: how a text longer than ``max_length`` is read.
        """
        encoding = self._tokenizer.encode(text)
        count = len(encoding) - len(self._prefix) - len(self._suffix)
        owners = [*[None] * len(self._prefix), *[0] * count, *[None] * len(self._suffix)]
        tokens = locate_tokens(encoding, owners, self._unknown_id)
        kept = self._kept(count, truncation)
        own = tokens[len(self._prefix) : len(self._prefix) + count]
        truncated = sum(stop - start for start, stop in kept) < count
        return LocatedText(tokens, truncated, (spans([own[start:stop] for start, stop in kept]),))

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
        row = self._row([token for start, stop in self._kept(len(ids), truncation) for token in ids[start:stop]])
        return TokenizedText((row,), (self._room,), self._room + special, truncated=True, unknown=unknown)

    def _kept(self, length: int, truncation: Truncation) -> list[tuple[int, int]]:
        """Return which of a text's tokens are read, from each start to before its stop."""
        if length <= self._room or truncation == "window":
            return [(0, length)]
        head = self._room if truncation == "head" else self._head_tokens
        return [(0, head), (length - (self._room - head), length)]

    def _window_starts(self, length: int) -> list[int]:
        """Where windows begin: a stride of three quarters, the last one moved back to end with the text."""
        stride = max(1, self._room * 3 // 4)
        last = length - self._room
        return [*range(0, last, stride), last]

    def _row(self, ids: list[int]) -> Row:
        return (*self._prefix, *ids, *self._suffix)


def locate_tokens(encoding: Encoding, owners: Sequence[int | None], unknown_id: int) -> list[Token]:
    """Return an encoding's tokens with their places.

    Args:
        encoding: of one text or pair, with offsets.
        owners: for each token the text that it is of, 0 or 1, or None for a special token.
        unknown_id: of the unknown token.
    """
    return [
        Token(token, text, None, None, unknown=False, part=None)
        if owner is None
        else Token(token, text, start, stop, token == unknown_id, owner)
        for token, text, (start, stop), owner in zip(
            encoding.ids, encoding.tokens, encoding.offsets, owners, strict=True
        )
    ]


def spans(runs: Sequence[Sequence[Token]]) -> list[tuple[int, int]]:
    """Return the characters of each run of a text's own tokens; runs that share a character are one."""
    found: list[tuple[int, int]] = []
    for run in runs:
        starts = [token.start for token in run if token.start is not None]
        stops = [token.stop for token in run if token.stop is not None]
        if not starts:
            continue
        start, stop = min(starts), max(stops)
        if found and start < found[-1][1]:  # a character of several tokens was cut
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


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
