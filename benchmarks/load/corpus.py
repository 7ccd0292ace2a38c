"""Corpora: the texts that benchmarks send.

Two corpora are composed from words written for this project (``fragments.toml``), by a seed, so that the
repository ships no one else's text. Their lengths follow the real ones, because time depends on length alone:
``sentences`` those of SST-2 and ``reviews`` those of IMDB. A corpus of one's own is a file with a text per line,
or JSON lines with a ``text`` field.
"""

import json
import random
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FRAGMENTS: Final = Path(__file__).parent / "fragments.toml"
_SLOT: Final = re.compile(r"\{(\w+)\}")
_SHARES: Final = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1.0)

# Word counts at those shares. Measured on the development sentences of SST-2 and the training reviews of IMDB
# with the WordPiece tokenizer of BERT (uncased), then divided by the tokens per word of the texts composed here.
_SENTENCE_WORDS: Final = (1, 3, 5, 6, 9, 13, 19, 25, 28, 34, 40)
_REVIEW_WORDS: Final = (10, 44, 68, 99, 130, 184, 303, 489, 637, 944, 1500)
_NAMES: Final = ("sentences", "reviews")


class CorpusError(Exception):
    """A corpus can not be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts in a fixed order.

    Attributes:
        name: what tables call it.
        texts: distinct, never empty.
    """

    name: str
    texts: tuple[str, ...]

    def take(self, count: int, start: int = 0) -> list[str]:
        """Return ``count`` texts from position ``start``, from the beginning again after the last one."""
        return [self.texts[(start + index) % len(self.texts)] for index in range(count)]


def compose(name: str, count: int, seed: int = 0) -> Corpus:
    """Compose ``count`` distinct sentences or reviews; the same arguments give the same texts.

    Raises:
        CorpusError: if the name is neither "sentences" nor "reviews".
    """
    if name not in _NAMES:
        raise CorpusError(f"no corpus is called {name!r}; choose one of {', '.join(_NAMES)} or give a file")
    writer = _Writer(_read_fragments(), random.Random(f"{name} {seed}"))  # noqa: S311 - not cryptography
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[writer.sentence() if name == "sentences" else writer.review()] = None
    return Corpus(name, tuple(texts))


def mix(sentences: Corpus, reviews: Corpus, count: int, seed: int = 0) -> Corpus:
    """Return single texts in random order, nine sentences to one review."""
    long = count // 10
    texts = sentences.take(count - long) + reviews.take(long)
    random.Random(seed).shuffle(texts)  # noqa: S311 - not cryptography
    return Corpus("mix 9:1", tuple(texts))


def read_corpus(path: Path) -> Corpus:
    """Read a text per line, or JSON lines with a ``text`` field where the file's name ends in ``.jsonl``.

    Raises:
        CorpusError: if the file can not be read or holds no text.
    """
    try:
        lines = [line for line in path.read_text().splitlines() if line.strip()]
        texts = [str(json.loads(line)["text"]) for line in lines] if path.suffix == ".jsonl" else lines
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} can not be read as a corpus: {error!r}") from error
    if not texts:
        raise CorpusError(f"{path} holds no text")
    return Corpus(path.stem, tuple(dict.fromkeys(texts)))


def _read_fragments() -> Mapping[str, Sequence[str]]:
    return tomllib.loads(_FRAGMENTS.read_text())


class _Writer:
    """Composes texts from fragments."""

    def __init__(self, fragments: Mapping[str, Sequence[str]], draw: random.Random) -> None:
        self._fragments = fragments
        self._draw = draw

    def sentence(self) -> str:
        """Return one sentence of a length that SST-2 could have."""
        words = self._length(_SENTENCE_WORDS)
        return self._finish(self._fill("short") if words <= 4 else self._clauses(words))  # noqa: PLR2004 - words

    def review(self) -> str:
        """Return a review of a length that IMDB could have, in paragraphs as people there write them."""
        words = self._length(_REVIEW_WORDS)
        sentences = [self._finish(self._fill("opening"))]
        while sum(sentence.count(" ") + 1 for sentence in sentences) < words:
            sentences.append(self._finish(self._clauses(self._draw.randint(6, 30))))
            if self._draw.random() < 0.08:  # noqa: PLR2004 - a paragraph every dozen sentences
                sentences.append("<br /><br />" + self._finish(self._fill("short")))
        sentences[-1] = self._finish(self._fill("closing"))
        return " ".join(sentences)

    def _length(self, words: Sequence[int]) -> int:
        """Draw a word count by the inverse of the distribution function, linear between its shares."""
        share = self._draw.random()
        right = bisect_right(_SHARES, share)
        low, high = _SHARES[right - 1], _SHARES[right]
        return round(words[right - 1] + (words[right] - words[right - 1]) * (share - low) / (high - low))

    def _clauses(self, words: int) -> str:
        """Return clauses of about so many words in sum."""
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
