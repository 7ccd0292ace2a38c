"""Engine cases: the batches of token ids that engines are compared at."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from artifact.manifest import read_manifest
from artifact.tokenization import Tokenization
from benchmarks.figures.effort import Effort
from benchmarks.processes.rig import Rig

_LENGTHS: Final = (16, 64, 128, 256)
_MIX_TEXTS: Final = 256

Row = Sequence[int]
Batches = Sequence[Sequence[Row]]


@dataclass(frozen=True, slots=True)
class Case:
    """Batches of token ids that every engine gets; ``tokens`` is their length where all have the same."""

    name: str
    batches: Batches
    tokens: int | None = None

    @property
    def texts(self) -> int:
        """Texts in all batches."""
        return sum(len(batch) for batch in self.batches)


def choose_cases(rig: Rig, effort: Effort) -> list[Case]:
    """Return texts of several lengths, alone and by eight, and the sentences and reviews of a rig likewise."""
    manifest = read_manifest(rig.artifact)
    tokenizer = Tokenizer.from_file(str(rig.artifact / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab_size()
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    lengths = [length for length in _LENGTHS if length <= manifest.max_length][: 1 if effort.quick else None]
    alone = [uniform_case(length, 1, vocabulary) for length in lengths]
    together = [uniform_case(length, 8, vocabulary) for length in lengths]
    mixes = []
    for corpus, together_count, alone_count in ((rig.texts.sentences, 16, 8), (rig.texts.reviews, 8, 4)):
        texts = tokenization.encode(corpus.take(1 if effort.quick else _MIX_TEXTS), manifest.truncation)
        rows = sorted((window for text in texts for window in text.windows), key=len)
        mixes.append(mixed_case(corpus.name, _spread(rows, alone_count), 1))
        mixes.append(mixed_case(corpus.name, _spread(rows, together_count), 8))
    return [*alone, *together, *mixes]


def _spread(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """Pick rows evenly, so that few stand for the lengths of many."""
    step = max(len(rows) / count, 1.0)
    return [rows[int(step * (number + 0.5))] for number in range(min(count, len(rows)))]


def uniform_case(tokens: int, batch: int, vocabulary: int) -> Case:
    """Return one batch of texts of one length, of random tokens."""
    draw = random.Random(tokens)  # noqa: S311 - not cryptography
    rows = [[draw.randrange(vocabulary) for _ in range(tokens)] for _ in range(batch)]
    return Case(f"{tokens} tokens{_by(batch)}", [rows], tokens if batch == 1 else None)


def mixed_case(name: str, rows: Sequence[Sequence[int]], batch: int) -> Case:
    """Return real texts in batches of neighbours in length, as a batcher would form them."""
    ordered = sorted(rows, key=len) if batch > 1 else list(rows)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    return Case(f"{name}{_by(batch)}", batches)


def _by(batch: int) -> str:
    return "" if batch == 1 else f" x {batch}"
