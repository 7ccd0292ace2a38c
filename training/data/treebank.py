"""Treebank text -> natural text: ``it 's n't`` -> ``it'sn't``, ``-lrb-`` -> ``(``.

SST-2 is stored as parser output. A model trained on that learns its spacing, which callers' sentences do not have.
Undoes the Penn Treebank tokenization. Knows nothing of data sets.
"""

import re
from typing import Final

_BRACKETS: Final = {
    "-lrb-": "(",
    "-rrb-": ")",
    "-lsb-": "[",
    "-rsb-": "]",
    "-lcb-": "{",
    "-rcb-": "}",
    "``": '"',
    "''": '"',
}
_CLITIC: Final = re.compile(r" (n't|'(?:s|re|ve|ll|d|m|em))(?![a-z])", re.IGNORECASE)
_BEFORE: Final = re.compile(r" ([,.;:?!%)\]}]|\.\.\.)(?= |$|[\"')\]])")
_AFTER: Final = re.compile(r"([(\[{$#]) ")


def detokenize(text: str) -> str:
    """Return the text as a person would type it; natural text is returned unchanged."""
    words = [_BRACKETS.get(word, word) for word in text.replace("\\/", "/").split()]
    joined = _join_quotes(words)
    joined = _CLITIC.sub(r"\1", joined)
    joined = re.sub(r"\b(can) (not)\b|\b(gon|wan) (na)\b|\b(got) (ta)\b", _glue, joined)
    joined = _AFTER.sub(r"\1", joined)
    previous = None
    while previous != joined:  # " . . ." needs one pass per full stop
        previous, joined = joined, _BEFORE.sub(r"\1", joined)
    return joined


def _glue(match: re.Match[str]) -> str:
    return match.group().replace(" ", "")


def _join_quotes(words: list[str]) -> str:
    """Join words; an opening quote joins the next word, a closing quote the previous one."""
    pieces: list[str] = []
    inside = False
    glue = False
    for word in words:
        quote = word in {'"', "`"} or (word == "'" and inside)
        if quote and not inside:
            pieces.append(("" if glue or not pieces else " ") + ("'" if word == "`" else word))
            inside, glue = True, True
        elif quote:
            pieces.append(word)
            inside, glue = False, False
        else:
            pieces.append(("" if glue or not pieces else " ") + word)
            glue = False
    return "".join(pieces)
