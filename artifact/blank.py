"""Blank texts: those without a visible character. They are empty for every model, whatever its tokenizer makes of them.

Invisible are white space, control characters, the code points that Unicode calls default ignorable (soft hyphens,
zero-width spaces and joiners, direction marks, variation selectors, fillers, tags, the byte-order mark; Unicode 16,
DerivedCoreProperties.txt), the marks of interlinear annotations, and the Braille pattern without dots.
"""

import re
from typing import Final

_INVISIBLE: Final = (
    r"\u0000-\u0020\u007f-\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)

VISIBLE: Final = f"[^{_INVISIBLE}]"
"""A regular expression, alike in Python and in JSON Schema, that finds a visible character."""

_find_visible = re.compile(VISIBLE).search


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character."""
    return _find_visible(text) is None
