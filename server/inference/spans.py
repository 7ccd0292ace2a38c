"""Spans: the sentences and the words of a text, as places in it. It knows no model.

The rules fit any language and read no dictionary. Each visible character is in exactly one span, in order; between two
spans there is white space at most. Offsets are Unicode code points, as Python counts them.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from artifact.blank import VISIBLE, is_blank

By = Literal["sentence", "word"]
"""The parts into which a text is cut."""


class Span(NamedTuple):
    """A part of a text: ``text[start:stop]``."""

    start: int
    stop: int


_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana and ideographs: scripts without spaces between words. A character is a word there."""
_WORD: Final = rf"[^\W{_UNSPACED}]+(?:(?:['\u2019.\u00b7](?=[^\W\d])|(?<=\d)[.,](?=\d))[^\W{_UNSPACED}]+)*"
"""Letters and digits, with apostrophes and full stops inside: don't, U.S, 3.14, 1,000 (after UAX 29, rules 5 to 12)."""
_PICTURE: Final = r"[\u231a-\u23ff\u25aa-\u27bf\u2b05-\u2b55\U0001f004-\U0001faff]"
_STYLE: Final = r"[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_EMOJI: Final = (
    r"[\U0001f1e6-\U0001f1ff]{2}|[0-9#*]\ufe0f?\u20e3|" + rf"{_PICTURE}{_STYLE}(?:\u200d{_PICTURE}{_STYLE})*"
)
_PIECE: Final = re.compile(
    rf"(?P<space>\s+)|(?P<emoji>{_EMOJI})|(?P<word>{_WORD})|(?P<letter>(?!\W)[{_UNSPACED}])|.", re.DOTALL
)
_OPENING: Final = ("Ps", "Pi")
_CONTINUING: Final = ("Mn", "Mc", "Me", "Cf")
"""Marks and joiners, which stay with the letter before them."""

_STOP: Final = "[.!?\u2026\u0964\u0965\u061f\u06d4\u0589\u1362\u17d4\u104b]"
_END: Final = re.compile(
    r"(?P<full>[\u3002\uff0e\uff01\uff1f\uff61]+[\u300d\u300f\uff09\u3011\u201d\u2019\"')]*)"
    rf"|(?<!{_STOP})(?P<stop>{_STOP}++[\"'\u201d\u2019\u00bb)\]]*+)(?=\s)"
    r"|(?P<line>[\n\r\u2028\u2029\u0085]\s*)"
)
"""Where a sentence may end: at a full-width stop, at a stop before white space, at a line break.

It takes time in proportion to the text: a run of stops is tried from its first one alone, and never in parts.
"""
_VISIBLE: Final = re.compile(VISIBLE)
_LAST_WORD: Final = re.compile(r"[^\s(\[\"'\u201c\u2018\u00ab]*$")
_ABBREVIATION: Final = re.compile(
    "al|approx|aug|bd|bzw|ca|capt|cf|co|col|corp|dec|dept|dr|dra|eds|esp|est|etc|evtl|feb|figs?|fr|gov|hon|hr|inc|inkl|"
    "jan|jr|jul|ltd|messrs|mlle|mme|mrs?|ms|mt|nov|nr|oct|op|pp|prof|rep|resp|rev|sen|sept?|sgt|sog|sra?|st|str|tel|usw|"
    "vgl|vols?|vs|zzgl",
    re.IGNORECASE,
)
"""Short forms of the large European languages after which a sentence goes on."""
_NEAR: Final = 40
"""Characters beside a stop that are looked at."""


def find_spans(text: str, by: By) -> Iterator[Span]:
    """Yield the sentences or the words of a text that has a visible character."""
    return _sentences(text) if by == "sentence" else _words(text)


def leave_out(text: str, span: Span) -> str:
    """Return the text without a span, and with one piece of white space where there was one on both sides.

    A space is put where two words would become one.
    """
    before, after = text[: span.start], text[span.stop :]
    if not before or before[-1].isspace():
        after = after.lstrip()
    if not after:
        return before.rstrip()
    return f"{before} {after}" if _joins(before[-1:]) and _joins(after[0]) else before + after


def _joins(letter: str) -> bool:
    return re.fullmatch(rf"[^\W{_UNSPACED}]", letter) is not None


def _words(text: str) -> Iterator[Span]:
    """Yield words with the punctuation that touches them; an emoji sequence is a word."""
    start = stop = 0
    has_core = goes_on = False  # whether the span has more than punctuation; whether letters continue its last word
    for piece in _PIECE.finditer(text):
        kind = piece.lastgroup
        if kind is None:
            category = unicodedata.category(piece[0])
            new = has_core and category in _OPENING
            goes_on = goes_on and category in _CONTINUING
        else:
            new = kind == "space" or (has_core and not (kind == "word" and goes_on))
            goes_on = kind == "word"
        if new and start < stop:
            yield Span(start, stop)
        if new or start == stop:
            start, has_core = piece.start(), False
        stop = piece.end()
        if kind == "space":
            start = stop
        has_core = has_core or kind in ("emoji", "word", "letter")
    if start < stop:
        yield Span(start, stop)


def _sentences(text: str) -> Iterator[Span]:
    """Yield sentences without the white space around them."""
    start, visible, last = 0, _next_visible(text, 0), _last_visible(text)
    for end in _END.finditer(text):
        if end.end() > last:  # nothing visible follows
            break
        if visible < end.end() and _ends(text, start, end):
            yield _trimmed(text, start, end.start() if end["line"] else end.end())
            start = end.end()
            visible = _next_visible(text, start)
    yield _trimmed(text, start, len(text))


def _next_visible(text: str, start: int) -> int:
    found = _VISIBLE.search(text, start)
    return found.start() if found else len(text)


def _last_visible(text: str) -> int:
    return next((place for place in reversed(range(len(text))) if not is_blank(text[place])), 0)


def _ends(text: str, start: int, end: re.Match[str]) -> bool:
    """Return whether a sentence that begins at ``start`` ends at a place where it may."""
    following = text[end.end() : end.end() + _NEAR].lstrip()[:1]
    if end["full"]:
        return True
    if end["line"]:
        return end["line"].count("\n") > 1 or not following.islower()
    mark = end["stop"]
    if mark != ".":
        hesitates_or_quotes = mark.startswith(("..", "\u2026")) or mark[-1] not in ".!?"
        return not (hesitates_or_quotes and following.islower())
    found = _LAST_WORD.search(text, max(start, end.start() - _NEAR), end.start())
    word = found[0] if found else ""
    if word.isdigit() and not text[start : end.start() - len(word)].strip():  # the number of an item of a list
        return False
    return not ("." in word or (len(word) == 1 and word.isalpha()) or _ABBREVIATION.fullmatch(word))


def _trimmed(text: str, start: int, stop: int) -> Span:
    part = text[start:stop]
    return Span(start + len(part) - len(part.lstrip()), stop - len(part) + len(part.rstrip()))
