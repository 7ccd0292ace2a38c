"""Training sentences in contrasting pairs, made from frames and word lists.

    python -m training.contrasts --sentences 8000 --output contrasts.tsv

Reviews and film phrases teach a small model words, but not how negation, wishes and comparisons change their meaning.
The frames of ``contrasts.toml`` teach that: every kind has both labels, and every slot has words of both tones.
Sentences that share five consecutive words with a text of ``--unlike``, such as a test set, are left out.
"""

import argparse
import csv
import random
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from training.reading import DataError, parse_texts

_LISTS: Final = Path(__file__).with_name("contrasts.toml")
_SHARED_WORDS: Final = 5
_UPPER: Final = 0.06
_MISTYPED: Final = 0.12
_GENERAL: Final = 0.4
_WORD: Final = re.compile(r"[a-z']+")
_SLOT: Final = re.compile(r"\{(\w+)\}")


def sentences(seed: int, unlike: Iterable[str] = ()) -> Iterator[tuple[str, str, str]]:
    """Yield (text, label, kind) endlessly, no text twice; both labels are about equally frequent.

    Args:
        seed: of every choice.
        unlike: texts of which no five consecutive words may occur.
    """
    lists = tomllib.loads(_LISTS.read_text(encoding="utf-8"))
    draw = random.Random(seed)  # noqa: S311 - sampling, not cryptography
    kept_out = {shared for text in unlike for shared in passages(text)}
    frames = [(frame, text) for frame in lists["frames"] for text in frame["texts"]]
    seen = set()
    while True:
        frame, text = draw.choice(frames)
        text, label = _filled(text, frame["label"], lists, draw)
        text = _disturbed(text, draw)
        if text not in seen and kept_out.isdisjoint(passages(text)):
            seen.add(text)
            yield text, label, frame["kind"]


def _filled(text: str, label: str, lists: dict[str, Any], draw: random.Random) -> tuple[str, str]:
    """Fill the slots of a frame; return the sentence and its label, ``positive`` or ``negative``."""
    words, domain = lists["words"], draw.choice(list(lists["domains"].values()))
    good, bad = ((words if draw.random() < _GENERAL else domain)[tone] for tone in ("good", "bad"))
    positive = draw.random() < 0.5  # noqa: PLR2004 - either tone
    tone, counter = (good, bad) if positive else (bad, good)
    thing, other = draw.sample(domain["things"], 2)
    tone_word, tone_word2 = draw.sample(tone, 2)
    slots = {
        "thing": thing,
        "other": other,
        "tone": tone_word,
        "tone2": tone_word2,
        "counter": draw.choice(counter),
        "good": draw.choice(good),
        "bad": draw.choice(bad),
        "bought2": re.sub(r"^gone", "went", draw.choice(words["bought"])).replace("chosen", "chose"),
    }
    filled = _SLOT.sub(lambda slot: slots.get(slot[1]) or draw.choice(words[slot[1]]), text)
    filled = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", filled)
    filled = filled[0].upper() + re.sub(r"(?<=\. )[a-z]", lambda first: first[0].upper(), filled[1:])
    if label in ("good", "flip"):
        label = "positive" if positive == (label == "good") else "negative"
    return filled, label


def _disturbed(text: str, draw: random.Random) -> str:
    """Return the text, sometimes in capitals or with typing errors."""
    fate = draw.random()
    if fate < _UPPER:
        return text.upper()
    if fate < _UPPER + _MISTYPED:
        places = [found.start() for found in re.finditer(r"(?<=[a-z]{2})[a-z](?=[a-z])", text)]
        for place in draw.sample(places, min(len(places), 1 + len(text) // 40)):
            kind = draw.randrange(3)
            swapped = text[place + 1] + text[place]
            text = (
                text[:place] + ("", text[place] * 2 + text[place + 1], swapped)[kind] + text[place + 2 - (kind == 0) :]
            )
    return text


def passages(text: str) -> set[tuple[str, ...]]:
    """Return all runs of five words of a text in lower case, or a shorter text as a whole."""
    words = _WORD.findall(text.lower())
    size = min(_SHARED_WORDS, len(words))
    return {tuple(words[start : start + size]) for start in range(len(words) - size + 1)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.contrasts",
        description="Write short labelled sentences in contrasting pairs, made from frames and word lists.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--sentences", type=int, default=8000, help="number of sentences")
    parser.add_argument(
        "--unlike", help="a file with a column text, or .txt: no five consecutive words of it are used (docs/data.md)"
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of every choice")
    parser.add_argument("--output", type=Path, required=True, help="the .tsv to write")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if a file cannot be read or written."""
    options = _parser().parse_args(arguments)
    try:
        unlike: list[str] = []
        if options.unlike:
            unlike = [row.text for row in parse_texts(options.unlike).read().rows]
        with options.output.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(("text", "label", "kind"))
            drawn = sentences(options.seed, unlike)
            writer.writerows(next(drawn) for _ in range(options.sentences))
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
