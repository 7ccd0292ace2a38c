"""Corpora: the texts that benchmarks send.

Two corpora are composed by a seed from fragments written for this project (``fragments.toml``), so that the
repository contains no text of others. Computing time depends on length alone, so their lengths follow real data:
``sentences`` follows SST-2 and ``reviews`` follows IMDB. A user's corpus is a text file
with a text per line, or a JSON lines, CSV or Parquet file with a column ``text``.
"""

import random
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import BenchmarkError
from training.reading import parse_texts

_FRAGMENTS: Final = Path(__file__).parent / "fragments.toml"
_SLOT: Final = re.compile(r"\{(\w+)\}")
_SHARES: Final = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)

# Word counts at these shares: token counts of SST-2 development sentences and IMDB training reviews (WordPiece
# tokenizer of BERT, uncased), divided by the tokens per word of the texts that are composed here.
_SENTENCE_WORDS: Final = (1, 3, 5, 6, 9, 13, 19, 25, 28, 34, 40)
_REVIEW_WORDS: Final = (10, 44, 68, 99, 130, 184, 303, 489, 637, 944, 1500)
SHAPES: Final = ("sentences", "reviews")
_SENTENCES: Final = 18_000
_REVIEWS: Final = 2_000


@dataclass(frozen=True, slots=True)
class TextPool:
    """Texts in a fixed order.

    Attributes:
        name: for tables.
        texts: distinct, never empty.
    """

    name: str
    texts: tuple[str, ...]

    def take(self, count: int, start: int = 0) -> list[str]:
        """Return ``count`` texts from position ``start``, starting over after the last one."""
        return [self.texts[(start + index) % len(self.texts)] for index in range(count)]


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one run: short ones and long ones."""

    sentences: TextPool
    reviews: TextPool

    def of(self, shape: str) -> TextPool:
        """Return the texts of a shape, one of ``SHAPES``."""
        return self.sentences if shape == "sentences" else self.reviews

    def mixed(self, count: int, seed: int) -> TextPool:
        """Return single texts in random order, nine sentences to one review."""
        long = count // 10
        texts = self.sentences.take(count - long) + self.reviews.take(long)
        random.Random(seed).shuffle(texts)  # noqa: S311 - not cryptography
        return TextPool("mix 9:1", tuple(texts))

    def large_mix(self, seed: int) -> TextPool:
        """Return a mix so large that no text recurs while the queue holds it: the server computes equal rows once."""
        return self.mixed(_SENTENCES + _REVIEWS, seed)


def choose_texts(file: str | None, seed: int) -> Texts:
    """Return the project's own texts, or those of a file in place of both kinds."""
    if file is not None:
        pool = read_corpus(file)
        return Texts(pool, pool)
    return Texts(compose("sentences", _SENTENCES, seed), compose("reviews", _REVIEWS, seed))


def compose(name: str, count: int, seed: int = 0) -> TextPool:
    """Compose ``count`` distinct sentences or reviews. The same arguments give the same texts.

    Raises:
        BenchmarkError: if the name is neither "sentences" nor "reviews".
    """
    if name not in SHAPES:
        raise BenchmarkError(f"no corpus is called {name!r}; choose one of {', '.join(SHAPES)} or give a file")
    writer = _Writer(_read_fragments(), random.Random(f"{name} {seed}"))  # noqa: S311 - not cryptography
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[writer.sentence() if name == "sentences" else writer.review()] = None
    return TextPool(name, tuple(texts))


def read_corpus(file: str) -> TextPool:
    """Read a user's texts, ``PATH[,option=value …]``, by the reader of training and export; duplicates are dropped.

    Raises:
        DataError: if the file is missing or is not what its suffix says, or a row is unfit.
    """
    source = parse_texts(file)
    return TextPool(source.path.stem, tuple(dict.fromkeys(row.text for row in source.read().rows)))


def _read_fragments() -> Mapping[str, Sequence[str]]:
    return tomllib.loads(_FRAGMENTS.read_text())


class _Writer:
    """Composes texts from fragments."""

    def __init__(self, fragments: Mapping[str, Sequence[str]], draw: random.Random) -> None:
        self._fragments = fragments
        self._draw = draw

    def sentence(self) -> str:
        """Return a sentence; its length follows SST-2."""
        words = self._length(_SENTENCE_WORDS)
        return self._finish(self._fill("short") if words <= 4 else self._clauses(words))  # noqa: PLR2004 - words

    def review(self) -> str:
        """Return a review in paragraphs; its length follows IMDB."""
        words = self._length(_REVIEW_WORDS)
        sentences = [self._finish(self._fill("opening"))]
        while sum(sentence.count(" ") + 1 for sentence in sentences) < words:
            sentences.append(self._finish(self._clauses(self._draw.randint(6, 30))))
            if self._draw.random() < 0.08:  # noqa: PLR2004 - a paragraph every dozen sentences
                sentences.append("<br /><br />" + self._finish(self._fill("short")))
        sentences[-1] = self._finish(self._fill("closing"))
        return " ".join(sentences)

    def _length(self, words: Sequence[int]) -> int:
        """Draw a word count from the inverse distribution function, linear between its shares."""
        share = self._draw.random()
        right = bisect_right(_SHARES, share)
        low, high = _SHARES[right - 1], _SHARES[right]
        return round(words[right - 1] + (words[right] - words[right - 1]) * (share - low) / (high - low))

    def _clauses(self, words: int) -> str:
        """Return clauses with about ``words`` words in total."""
        text = self._fill("clause")
        if self._draw.random() < 0.2:  # noqa: PLR2004 - one sentence in five opens with an aside
            text = f"{self._fill('aside')}, {text}"
        while text.count(" ") + 1 < words - 4:
            text += self._fill("join") + self._fill("clause")
        return text

    def _fill(self, name: str) -> str:
        """Return one of the named fragments with its slots filled."""
        return _SLOT.sub(lambda slot: self._fill(slot[1]), self._draw.choice(self._fragments[name]))

    def _finish(self, text: str) -> str:
        end = "" if text[-1] in "?!." else self._draw.choices([".", "!", "..."], [0.86, 0.09, 0.05])[0]
        return text[0].upper() + text[1:] + end
