"""Blank texts: which characters are invisible."""

import sys
import unicodedata

import pytest

from artifact.blank import is_blank

INVISIBLE = {
    "nothing": "",
    "spaces and line breaks": " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u2028\u2029",
    "other spaces": "\u00a0\u1680\u2000\u200a\u202f\u205f\u3000",
    "NUL and other controls": "\x00\x01\x08\x1b\x7f\x80\x9f",
    "zero-width space, joiners, word joiner": "\u200b\u200c\u200d\u2060",
    "byte-order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "direction marks": "\u200e\u200f\u061c\u202a\u202e\u2066\u2069",
    "variation selectors": "\ufe00\ufe0e\ufe0f\U000e0100\U000e01ef\u180b\u180f",
    "combining grapheme joiner": "\u034f",
    "fillers": "\u115f\u1160\u3164\uffa0\u17b4\u17b5",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "invisible operators": "\u2061\u2064",
    "annotation marks": "\ufff9\ufffa\ufffb",
    "format of shorthand and music": "\U0001bca0\U0001d173\U0001d17a",
    "Braille without dots": "\u2800",
}
VISIBLE = [
    "a",
    ".",
    "0",
    "é",
    "\u0301",
    "語",
    "🙂",
    "❤️",
    "👩‍👧",
    "\ufffd",
    "\u0600",
    "\u00b7",
    "\u2801",
    "\U0001bc9f",
    "\ufdd0",
]


@pytest.mark.parametrize("text", INVISIBLE.values(), ids=INVISIBLE)
def test_a_text_of_invisible_characters_is_blank(text: str) -> None:
    """Alone, together, and repeated."""
    assert is_blank(text)
    assert all(map(is_blank, text))
    assert is_blank(text * 1000 + " \u200b")


@pytest.mark.parametrize("text", VISIBLE)
def test_one_visible_character_is_enough(text: str) -> None:
    """Wherever it stands, and also where it is composed with an invisible one."""
    assert not is_blank(text)
    assert not is_blank(" \u200b" * 100 + text + "\ufeff")


def test_all_white_space_and_controls_are_invisible() -> None:
    """What ``str.strip`` removes, and every control character; no letter, digit, symbol or punctuation but one."""
    seen = "".join(chr(code) for code in range(sys.maxunicode + 1) if not is_blank(chr(code)))
    assert "" == "".join(seen.split()[1:])
    assert set() == {"Cc", "Zs", "Zl", "Zp"} & {unicodedata.category(character) for character in seen}
    blank = [chr(code) for code in range(sys.maxunicode + 1) if is_blank(chr(code))]
    named = [character for character in blank if unicodedata.category(character)[0] in "LNSP"]
    assert ["\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"] == named
