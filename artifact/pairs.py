"""Pairs: a text and its text_pair -> one row that the model can read, with a type for each token.

The frame of special tokens and the types are those of the tokenizer's own template for pairs, such as
``[CLS] A [SEP] B [SEP]`` with type 1 from B on. A pair that is too long loses tokens at the end of its longer text,
then of both by turns: the strategy ``longest_first`` of transformers' fast tokenizers, whose pipelines read pairs so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding, Tokenizer

from artifact.manifest import Artifact, TextOrPair, Truncation
from artifact.rows import Row, pack
from artifact.tokenization import LocatedText, Tokenization, TokenizedText, locate_tokens, spans, unknown_id

_PROBE = ("a", "a a")


@dataclass(frozen=True, slots=True)
class _Frame:
    """The special tokens around two texts, packed, and the types of the texts' own tokens."""

    before: Row
    between: Row
    after: Row
    types: tuple[int, int]

    def __len__(self) -> int:
        return len(self.before) + len(self.between) + len(self.after)

    def row(self, first: Sequence[int], second: Sequence[int]) -> Row:
        own = [[pack(token, kind) for token in ids] for ids, kind in zip((first, second), self.types, strict=True)]
        return (*self.before, *own[0], *self.between, *own[1], *self.after)


class PairTokenization(Tokenization):
    """Turn pairs of texts into rows of at most ``max_length`` tokens; safe to call from several threads.

    Args:
        tokenizer: what maps text to ids; its own truncation and padding are switched off here, once.
        max_length: tokens per row at most, special tokens included.

    Raises:
        ValueError: if ``max_length`` leaves no room for a token of each text, or the tokenizer's template can not be
            told.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._unknown_id = unknown_id(tokenizer)
        probe = tokenizer.encode(*_PROBE)
        self._frame = _frame(probe)
        self._prefix, self._suffix = probe.ids, []  # among them every special token, for largest_id
        self._room = max_length - len(self._frame)
        if self._room < len(_PROBE):
            raise ValueError(f"max_length {max_length} leaves no room for two texts beside the special tokens")

    def reads(self, text: TextOrPair) -> bool:
        """Return whether a text is of the kind that the model reads: a pair."""
        return isinstance(text, tuple)

    def encode(self, texts: Sequence[TextOrPair], truncation: Truncation) -> list[TokenizedText]:
        """Tokenize pairs in order.

        Args:
            texts: pairs; valid Unicode, no lone surrogates.
            truncation: "head" alone.

        Raises:
            ValueError: if it is another truncation.
        """
        _check(truncation)
        parts = [part for text in texts for part in text]
        encodings = self._tokenizer.encode_batch_fast(parts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        return [self._cut_pair(first, second) for first, second in zip(ids[::2], ids[1::2], strict=True)]

    def locate(self, text: TextOrPair, truncation: Truncation) -> LocatedText:
        """Return the tokens of one pair with their places in its two texts.

        Raises:
            ValueError: if the truncation is another than "head".
        """
        _check(truncation)
        encoding = self._tokenizer.encode(*text)
        tokens = locate_tokens(encoding, encoding.sequence_ids, self._unknown_id)
        parts = [[token for token in tokens if token.part == part] for part in (0, 1)]
        kept = _longest_first(len(parts[0]), len(parts[1]), self._room)
        read = tuple(spans([part[:count]]) for part, count in zip(parts, kept, strict=True))
        return LocatedText(tokens, sum(kept) < sum(map(len, parts)), read)

    def fewest_tokens(self, text: TextOrPair) -> int:
        """Return how many tokens of a pair are read at least, special tokens included, without tokenizing it."""
        words = sum(len(part.split(None, self._room)) for part in text)
        return min(words, self._room) + len(self._frame)

    def _cut_pair(self, first: list[int], second: list[int]) -> TokenizedText:
        kept = _longest_first(len(first), len(second), self._room)
        row = self._frame.row(first[: kept[0]], second[: kept[1]])
        return TokenizedText(
            windows=(row,),
            weights=(len(row) if first and second else 0,),
            tokens=len(row),
            truncated=sum(kept) < len(first) + len(second),
            unknown=first.count(self._unknown_id) + second.count(self._unknown_id),
        )


def load_tokenization(artifact: Artifact) -> Tokenization:
    """Return the tokenization of an artifact, for the kind of text that its model reads.

    Raises:
        Exception: a plain one of ``tokenizers``, or ``ValueError``, if its tokenizer can not be used.
    """
    manifest = artifact.manifest
    tokenizer = Tokenizer.from_file(str(artifact.tokenizer_path))
    if manifest.pairs:
        return PairTokenization(tokenizer, max_length=manifest.max_length)
    return Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)


def _check(truncation: Truncation) -> None:
    if truncation != "head":
        raise ValueError(f"a pair can not be read by {truncation!r}")


def _longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept; of an odd room, the longer text or else the second has more."""
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    if 2 * shorter > room:
        shorter = room // 2
    return (room - shorter, shorter) if first > second else (shorter, room - shorter)


def _frame(probe: Encoding) -> _Frame:
    """Return the frame of a pair of texts, "a" and "a a", from the tokens that belong to neither."""
    owners = probe.sequence_ids
    packed = [pack(token, kind) for token, kind in zip(probe.ids, probe.type_ids, strict=True)]
    places = [[place for place, owner in enumerate(owners) if owner == text] for text in (0, 1)]
    if not all(places):
        raise ValueError(f"the tokenizer frames two texts as {probe.tokens}, without tokens of both")
    (start, end), (second_start, second_end) = ((own[0], own[-1] + 1) for own in places)
    if end > second_start or None in owners[start:end] + owners[second_start:second_end]:
        raise ValueError(f"the tokenizer frames two texts as {probe.tokens}, not one after the other")
    return _Frame(
        before=tuple(packed[:start]),
        between=tuple(packed[end:second_start]),
        after=tuple(packed[second_end:]),
        types=(probe.type_ids[start], probe.type_ids[second_start]),
    )
