"""Texts that the project ships, for an export without data: reviews, requests, news, chat, logs, in several languages.

They show how a graph's answers change, and nothing of its accuracy. Texts of the model's own domain calibrate better:
their activations are those that the server will see.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("general_texts.txt")
_SENTENCES: Final = {1: 1, 2: 1, 3: 1, 6: 1, 12: 1, 24: 6}
"""Sentences of a text, and of how many starts one is made; 24 sentences are about 400 tokens."""
_STARTS: Final = 60


def general_texts() -> tuple[list[str], list[str]]:
    """Return texts to calibrate on, and texts to measure on, which share no sentence with them."""
    sentences = _FILE.read_text(encoding="utf-8").splitlines()
    return _composed(sentences[::2]), _composed(sentences[1::2])


def _composed(sentences: Sequence[str]) -> list[str]:
    """Return texts of one sentence to many, all of them different, the kinds in turns."""
    made = ((start, length) for start in range(_STARTS) for length, every in _SENTENCES.items() if start % every == 0)
    return list(dict.fromkeys(_text(sentences, start, length) for start, length in made))


def _text(sentences: Sequence[str], start: int, length: int) -> str:
    step = 1 + start % 7  # neighbours are of one kind; with a wider step kinds mix
    chosen = itertools.islice(itertools.cycle(sentences), start, start + length * step, step)
    return " ".join(chosen)
