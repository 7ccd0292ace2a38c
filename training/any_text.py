"""Training texts that are not reviews: emoji, neutral and mixed sentences, code, numbers, other languages, noise.

    python -m training.any_text --texts 9000 --unlike tests/data/any_text.tsv --output any_text.tsv

A model that learnt from reviews alone is sure of its answer to any text. These texts teach it to answer near one half
where people would (Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure"), and what emoji mean. The
column ``confidence`` has the label's probability: ``--data any_text.tsv,confidence=confidence``.
"""

import argparse
import csv
import random
import re
import string
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from training.contrasts import passages
from training.emoji import Sign, signs
from training.reading import Columns, DataError, read

_LISTS: Final = Path(__file__).with_name("any_text.toml")
_SLOT: Final = re.compile(r"\{(\w+?)(2?)\}")
_POSITIVE: Final = 0.95
_UNSURE: Final = 0.5


class Text(NamedTuple):
    """A text, the share of people who would call it positive, and its kind."""

    text: str
    share: float
    kind: str


def texts(seed: int, unlike: Iterable[str] = ()) -> Iterator[Text]:
    """Yield texts endlessly, none twice.

    Args:
        seed: of every choice.
        unlike: texts that may not occur, nor any five consecutive words of them.
    """
    maker = _Maker(tomllib.loads(_LISTS.read_text(encoding="utf-8")), random.Random(seed))  # noqa: S311 - sampling
    kinds = list(maker.kinds)
    weights = [maker.kinds[kind][0] for kind in kinds]
    avoided = list(unlike)
    seen = {_folded(text) for text in avoided}
    kept_out = {shared for text in avoided for shared in passages(text)}
    while True:
        kind = maker.draw.choices(kinds, weights)[0]
        text, share = maker.kinds[kind][1]()
        if text and _folded(text) not in seen and kept_out.isdisjoint(passages(text)):
            seen.add(_folded(text))
            yield Text(text, share, kind)


class _Maker:
    """Makes a text of each kind; ``kinds`` has their weights."""

    def __init__(self, lists: dict[str, Any], draw: random.Random) -> None:
        self.draw = draw
        self._lists = lists
        self._signs = signs()
        self.kinds: dict[str, tuple[float, Callable[[], tuple[str, float]]]] = {
            "neutral": (26, self._neutral),
            "mixed": (5, self._mixed),
            "signs": (14, self._alone),
            "signs in text": (22, self._with_signs),
            "foreign": (12, self._foreign),
            "code": (6, self._code),
            "numbers": (4, self._numbers),
            "lists": (4, self._list),
            "repeated": (4, self._repeated),
            "letters": (5, self._letters),
        }

    def _neutral(self) -> tuple[str, float]:
        slots = self._lists["slots"]
        text = self.draw.choice(self._lists["neutral"]["frames"])
        for _ in range(2):  # a fact is a frame, too
            text = _SLOT.sub(lambda slot: self.draw.choice(slots[slot[1]]), text)
        text = text[0].upper() + text[1:] if self.draw.random() < _POSITIVE else text.lower()
        return text.rstrip(".") if self.draw.random() < 0.2 else text, _UNSURE  # noqa: PLR2004 - a fifth

    def _mixed(self) -> tuple[str, float]:
        lists = self._lists["mixed"] | {"thing": self._lists["slots"]["thing"]}
        text = _SLOT.sub(lambda slot: self.draw.choice(lists[slot[1]]), self.draw.choice(lists["frames"]))
        return text[0].upper() + text[1:], 0.45

    def _alone(self) -> tuple[str, float]:
        sign = self.draw.choice(self._signs)
        gap = self.draw.choice(["", "", " "])
        alike = [other for other in self._signs if abs(other.share - sign.share) < 0.1]  # noqa: PLR2004 - same tone
        shown = [sign, *self.draw.choices([sign, self.draw.choice(alike)], k=self.draw.choice([0, 0, 1, 2]))]
        if not sign.text.isascii() or gap:
            return gap.join(other.text for other in shown) + self.draw.choice(["", "", "!", "."]), sign.share
        return " ".join(other.text for other in shown), sign.share

    def _with_signs(self) -> tuple[str, float]:
        tone = self.draw.choice(["positive", "negative", "neutral", "neutral", "frame"])
        if tone == "frame":
            words, own = self._neutral()
        else:
            words = self.draw.choice(self._lists["clear"][tone])
            own = {"positive": 0.96, "negative": 0.04, "neutral": _UNSURE}[tone]
        sign = self._fitting(own)
        share = sign.share if own == _UNSURE else own + (sign.share - own) * 0.1
        share = _UNSURE + (share - _UNSURE) * 0.97
        words = self.draw.choice([words, words, words.capitalize(), words + "!", words + "."])
        repeated = sign.text * self.draw.choice([1, 1, 1, 2, 3]) if not sign.text.isascii() else sign.text
        return self.draw.choice([f"{words} {repeated}", f"{words} {repeated}", f"{repeated} {words}"]), share

    def _fitting(self, share: float) -> Sign:
        """Return any sign for words that are neutral, one of no other tone for the others."""
        while True:
            sign = self.draw.choice(self._signs)
            if (share - _UNSURE) * (sign.share - _UNSURE) >= 0:
                return sign

    def _foreign(self) -> tuple[str, float]:
        index, words = self.draw.choice(list(enumerate(self._lists["foreign"]["words"])))
        known = words.split()
        start = self.draw.randrange(len(known))
        if self.draw.random() < 0.5:  # noqa: PLR2004 - in order, or at random
            chosen = (known * 2)[start : start + self.draw.randint(2, 12)]
        else:
            chosen = self.draw.choices(known, k=self.draw.randint(1, 12))
        joined = index in self._lists["foreign"]["joined"]
        text = ("" if joined else " ").join(chosen)
        return text[0].upper() + text[1:] + self.draw.choice([".", "", "!", "?", "。" if joined else "."]), _UNSURE

    def _code(self) -> tuple[str, float]:
        lines = self.draw.choices(self._lists["code"]["lines"], k=self.draw.choice([1, 1, 2, 3]))
        return "\n".join(self._line(line) for line in lines), _UNSURE

    def _line(self, line: str) -> str:
        names = self.draw.sample(self._lists["code"]["names"], 3)
        filled = re.sub(r"\{n\}", lambda _: str(self.draw.choice([0, 1, 2, 8, 10, 64, 255, 404, 8080])), line)
        for slot, name in zip("abc", names, strict=True):
            filled = filled.replace(f"{{{slot}}}", name)
        return filled.replace("{{", "{").replace("}}", "}")

    def _numbers(self) -> tuple[str, float]:
        shapes = ["#", "##", "####", "#.##", "##/##/####", "+## ### ####", "$##.##", "##:##", "# %", "#,###", "(###)"]
        parts = self.draw.choices(shapes, k=self.draw.randint(1, 6))
        text = self.draw.choice([" ", ", ", "; ", "\n"]).join(parts)
        return re.sub("#", lambda _: self.draw.choice(string.digits), text), _UNSURE

    def _list(self) -> tuple[str, float]:
        items = self.draw.sample(self._lists["code"]["lists"], self.draw.randint(1, 7))
        return self.draw.choice([", ", " ", "\n- ", " / "]).join(items), _UNSURE

    def _repeated(self) -> tuple[str, float]:
        unit = self.draw.choice([*string.ascii_letters, *string.digits, *".,!?-_*=#~", "la", "ha ", "abc", "x ", "-="])
        return unit * self.draw.randint(1, 60), _UNSURE

    def _letters(self) -> tuple[str, float]:
        pools = [string.ascii_lowercase, "asdfjkl", "qwertyuiop", string.ascii_uppercase + string.digits]
        pools += [string.punctuation, string.ascii_letters + string.punctuation]
        pool = self.draw.choice(pools)
        words = ["".join(self.draw.choices(pool, k=self.draw.randint(1, 9))) for _ in range(self.draw.randint(1, 7))]
        return " ".join(words), _UNSURE


def _folded(text: str) -> str:
    return " ".join(text.lower().split()).rstrip(".!?")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 1 with one line if a file cannot be read or written."""
    parser = argparse.ArgumentParser(
        prog="python -m training.any_text",
        description="Write texts that are not reviews, with the share of people who would call them positive.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--texts", type=int, default=9000, help="number of texts")
    parser.add_argument("--unlike", type=Path, help="a file with a column text: none of its texts is made")
    parser.add_argument("--seed", type=int, default=7, help="seed of every choice")
    parser.add_argument("--output", type=Path, required=True, help="the .tsv to write")
    options = parser.parse_args(arguments)
    try:
        unlike = [row.text for row in read(options.unlike, Columns(label=None)).rows] if options.unlike else []
        with options.output.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
            writer.writerow(("text", "label", "confidence", "kind"))
            made = texts(options.seed, unlike)
            for text in (next(made) for _ in range(options.texts)):
                label = "positive" if text.share >= _UNSURE else "negative"
                writer.writerow((text.text, label, f"{max(text.share, 1 - text.share):.4f}", text.kind))
    except (DataError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
