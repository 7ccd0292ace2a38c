"""The bytes of a text file -> its lines: UTF-8, UTF-16 or UTF-32 by their byte-order mark, or an encoding by name.

Lines end at a line feed alone. ``str.splitlines`` would also break them at U+2028, U+0085 and other characters
that occur inside texts. A damaged byte is refused with its place; it is never replaced.
"""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from training.reading.rows import DataError

_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # first: it begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_ESCAPES: Final = {"idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7", "undefined"}
"""Codecs that are no encodings of files: they read escapes, some of them as halves of surrogate pairs."""
_LONGEST_MARK: Final = 4
_BLOCK_BYTES: Final = 2**20


class DataFile(Protocol):
    """A file that can be read from its start: a ``Path``, or one that is compressed or not on this machine."""

    @property
    def suffix(self) -> str:
        """What its name ends with, such as ``.csv``."""
        ...

    def open(self, mode: Literal["rb"], /) -> io.BufferedReader:
        """Open it at its start."""
        ...


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a text file is written, where neither its name nor its content tells.

    Attributes:
        encoding: a name that Python knows, such as ``windows-1252``; empty is UTF-8, or what a byte-order mark says.
        separator: of the fields of CSV and TSV; empty finds it in the header.
        quotes: ``none`` where a quote in CSV or TSV is a character of its field, and every line a row.

    Raises:
        DataError: if the encoding is unknown, or the separator is not one character.
    """

    encoding: str = ""
    separator: str = ""
    quotes: str = "double"

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding or "utf-8")
            is_known = codecs.lookup(self.encoding or "utf-8").name not in _ESCAPES
        except (LookupError, ValueError):
            is_known = False
        if not is_known:
            raise DataError(
                f"the encoding {self.encoding!r} is unknown; there are utf-8, utf-16, windows-1252, iso-8859-15, "
                "gb18030, shift_jis and all others of Python"
            )
        if len(self.separator) > 1 or self.separator in {'"', "\r", "\n"}:
            raise DataError(f"the separator {self.separator!r} is not one character, such as ; or |")
        if self.quotes not in {"double", "none"}:
            raise DataError(f"quotes are 'double' or 'none', not {self.quotes!r}")


UTF_8: Final = TextFormat()


def decoded_lines(path: DataFile, text_format: TextFormat = UTF_8) -> Iterator[str]:
    """Yield the lines of a text file with their line ends, without a byte-order mark.

    Raises:
        DataError: if the bytes are not of the encoding; the message names the first wrong one and its line.
    """
    with path.open("rb") as stream:
        encoding, mark = _encoding(path, stream.peek(_LONGEST_MARK)[:_LONGEST_MARK], text_format)
        stream.read(mark)
        try:
            with io.TextIOWrapper(stream, encoding=encoding, newline="\n") as lines:
                yield from lines
        except UnicodeDecodeError:
            raise DataError(_damage(path, encoding, mark)) from None


def _encoding(path: DataFile, start: bytes, text_format: TextFormat) -> tuple[str, int]:
    """Return the encoding of a file that begins with ``start``, and the bytes of its mark."""
    for mark, marked in _MARKS:
        if start.startswith(mark):
            if not marked.startswith(codecs.lookup(text_format.encoding or marked).name.removesuffix("-sig")):
                raise DataError(
                    f"{path} begins with the byte-order mark of {marked}, but its encoding was said to be "
                    f"{text_format.encoding}; leave the encoding out"
                )
            return marked, len(mark)
    if text_format.encoding and (named := codecs.lookup(text_format.encoding).name) in {"utf-16", "utf-32"}:
        raise DataError(
            f"{path} has no byte-order mark, so {named} does not say its byte order; {_named(named + '-le')}"
        )
    zeros = [byte == 0 for byte in start]
    if not text_format.encoding and zeros in ([False, True] * 2, [True, False] * 2):
        guess = "utf-16-le" if zeros[1] else "utf-16-be"
        raise DataError(f"{path} looks like UTF-16 without a byte-order mark; {_named(guess)}, or save it as UTF-8")
    return text_format.encoding or "utf-8", 0


def _damage(path: DataFile, encoding: str, mark: int) -> str:
    """Return what is wrong with a file that cannot be decoded; it is read a second time."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset, line = mark, 1
    with path.open("rb") as stream:
        stream.read(mark)
        block = b"\n"
        while block:
            block = stream.read(_BLOCK_BYTES)
            try:
                line += decoder.decode(block, final=not block).count("\n")
            except UnicodeDecodeError as error:
                begun = len(error.object) - len(block)  # bytes of a character that the block before began
                line += error.object[: error.start].decode(encoding, "replace").count("\n")
                wrong = f"byte {offset - begun + error.start} of the file (0x{error.object[error.start]:02x})"
                return f"{path} line {line}: {wrong} is not {encoding.upper()}; {_remedy(encoding)}"
            offset += len(block)
    return f"{path} changed while it was read; start again"


def _remedy(encoding: str) -> str:
    if encoding != "utf-8":
        return "repair the byte, or name another encoding"
    return (
        f"save the file as UTF-8 (iconv -f WINDOWS-1252 -t UTF-8, if that is its encoding), or {_named('windows-1252')}"
    )


def _named(encoding: str) -> str:
    return f"name it with encoding={encoding} behind the file's name (bulk: --encoding {encoding})"
