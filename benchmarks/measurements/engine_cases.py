"""Engine cases: the batches of token ids at which engines are compared."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tokenizers import Tokenizer

from artifact.manifest import read_manifest
from artifact.tokenization import Tokenization
from benchmarks.figures.rounds import Effort
from benchmarks.processes.loops import Batches
from benchmarks.processes.servers import Rig

_LENGTHS: Final = (16, 64, 128, 256)
_MIX_TEXTS: Final = 256

Row = Sequence[int]


@dataclass(frozen=True, slots=True)
class EngineCase:
    """Batches of token ids for every engine; ``tokens`` is their length where all rows have the same."""

    name: str
    batches: Batches
    tokens: int | None = None

    @property
    def texts(self) -> int:
        """Texts in all batches."""
        return sum(len(batch) for batch in self.batches)


def choose_cases(rig: Rig, effort: Effort) -> list[EngineCase]:
    """Return texts of several lengths, and a rig's sentences and reviews, each alone and in batches of eight."""
    manifest = read_manifest(rig.artifact)
    tokenizer = Tokenizer.from_file(str(rig.artifact / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab_size()
    tokenization = Tokenization(tokenizer, max_length=manifest.max_length, head_tokens=manifest.head_tokens)
    lengths = [length for length in _LENGTHS if length <= manifest.max_length][: 1 if effort.quick else None]
    cases = [uniform_case(length, batch, vocabulary) for batch in (1, 8) for length in lengths]
    for pool, alone, together in ((rig.texts.sentences, 8, 16), (rig.texts.reviews, 4, 8)):
        texts = tokenization.encode(pool.take(1 if effort.quick else _MIX_TEXTS), manifest.truncation)
        rows = sorted((window for text in texts for window in text.windows), key=len)
        cases += [
            mixed_case(pool.name, _pick_evenly(rows, alone), 1),
            mixed_case(pool.name, _pick_evenly(rows, together), 8),
        ]
    return cases


def _pick_evenly(rows: Sequence[Row], count: int) -> Sequence[Row]:
    """Pick rows at equal distances, so that few represent the lengths of many."""
    step = max(len(rows) / count, 1.0)
    return [rows[int(step * (number + 0.5))] for number in range(min(count, len(rows)))]


def uniform_case(tokens: int, batch: int, vocabulary: int) -> EngineCase:
    """Return one batch of rows of one length, of random tokens."""
    draw = random.Random(tokens)  # noqa: S311 - not cryptography
    rows = [[draw.randrange(vocabulary) for _ in range(tokens)] for _ in range(batch)]
    return EngineCase(f"{tokens} tokens{_by(batch)}", [rows], tokens if batch == 1 else None)


def mixed_case(name: str, rows: Sequence[Row], batch: int) -> EngineCase:
    """Return real texts in batches of similar length, as a batcher would form them."""
    ordered = sorted(rows, key=len) if batch > 1 else list(rows)
    batches = [ordered[start : start + batch] for start in range(0, len(ordered), batch)]
    return EngineCase(f"{name}{_by(batch)}", batches)


def _by(batch: int) -> str:
    return "" if batch == 1 else f" x {batch}"
