"""Lines: bytes -> lines of bounded length -> texts, or the error that stands in a line's place."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json, to_json

from artifact.manifest import TextOrPair, Truncation
from server.errors import InvalidRequestError, OverloadedError, TooLargeError, VerdictError
from server.http.arrivals import Arrival
from server.http.infer import check_texts
from server.http.json_body import JsonBody, Text
from server.http.openapi import FOR_PAIRS
from server.settings import Settings

_NO_ID: Final = b"null"
_LARGE_BYTES: Final = 64 * 1024
"""An incomplete line of more bytes shares the memory of arriving bodies."""
_FIRST_TEXT: Final = re.compile(r"^text 0: the text|^text 0(?= )|(?<=fails on )text 0(?=,)")
_BODY: Final = re.compile(r"^body(?=:)|(?<=^the )body(?= )")


class StreamLine(BaseModel):
    """One text, or one pair. Other keys are ignored, so that a file with more columns can be sent as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": 1, "text": "A film I will watch again."}]})

    text: Text
    text_pair: Text | None = Field(default=None, json_schema_extra={FOR_PAIRS: True})
    id: Any = Field(default=None, description="any JSON; sent back with the answer")
    truncation: Truncation | None = Field(
        default=None,
        description="how a text longer than the model's max_length is read; the default is the model's own",
    )


BODY: Final = JsonBody(StreamLine)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line as it was read.

    Attributes:
        number: of the line, from 1.
        id: its ``id`` as JSON.
        text: a text or a pair; None where there is an error.
        truncation: how a long text is read.
        error: why the line has no text.
    """

    number: int
    id: bytes
    text: TextOrPair | None = None
    truncation: Truncation | None = None
    error: VerdictError | None = None


class LineSplitter:
    """Split bytes into lines, holding at most one incomplete line. A large one holds memory inside ``with``.

    Args:
        max_bytes: of one line; a longer one is skipped as it arrives.
        begin: returns what counts the memory of a large line.
    """

    def __init__(self, max_bytes: int, begin: Callable[[], Arrival]) -> None:
        self._max_bytes = max_bytes
        self._begin = begin
        self._rest = bytearray()
        self._skipped: VerdictError | None = None
        self._arrival: Arrival | None = None
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Free the memory of an incomplete line; raises ``SlowBodyError`` where others needed it."""
        self._held.__exit__(kind, error, traceback)

    def feed(self, data: bytes) -> Iterator[bytes | VerdictError]:
        """Yield the lines that end in these bytes, without their line feeds, or why a line was skipped."""
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._add(part)
            yield self._take()
        self._add(rest)

    def end(self) -> Iterator[bytes | VerdictError]:
        """Yield the last line, if it has no line feed."""
        if self._rest or self._skipped:
            yield self._take()

    def _add(self, part: bytes) -> None:
        if self._skipped or not part:
            return
        self._rest += part
        if len(self._rest) > self._max_bytes:
            self._skip(TooLargeError(f"the line has more than {self._max_bytes} bytes; send shorter texts"))
        elif len(self._rest) > _LARGE_BYTES:
            try:
                self._hold(len(part))
            except OverloadedError as error:
                self._skip(error)

    def _hold(self, size: int) -> None:
        if self._arrival is None:
            self._arrival = self._held.enter_context(self._begin())
            size = len(self._rest)
        self._arrival.add(size)

    def _skip(self, error: VerdictError) -> None:
        self._clear()
        self._skipped = error

    def _take(self) -> bytes | VerdictError:
        error, self._skipped = self._skipped, None
        line = bytes(self._rest)
        self._clear()
        return error or line

    def _clear(self) -> None:
        self._rest.clear()
        self._arrival = None
        self._held.close()


def read_line(number: int, line: bytes | VerdictError, settings: Settings) -> Line:
    """Return what a line says, or its error.

    Args:
        number: of the line, from 1.
        line: without its line feed, or why it was skipped.
        settings: the limits of a text.
    """
    if isinstance(line, VerdictError):
        return Line(number, _NO_ID, error=line)
    try:
        read = BODY.parse(line)
        text = read.text if read.text_pair is None else (read.text, read.text_pair)
        check_texts([text], settings)
    except (InvalidRequestError, TooLargeError) as error:
        return Line(number, _find_id(line), error=error)
    return Line(number, _write_id(read.id), text, read.truncation)


def message_of(error: VerdictError) -> str:
    """Return an error's message: it speaks of a line where that of a request speaks of a body and of its first text."""
    return _BODY.sub("line", _FIRST_TEXT.sub("the text", str(error)))


def _find_id(line: bytes) -> bytes:
    try:
        document = from_json(line)
    except ValueError:
        return _NO_ID
    return _write_id(document.get("id")) if isinstance(document, dict) else _NO_ID


def _write_id(own_id: object) -> bytes:
    return _NO_ID if own_id is None else to_json(own_id, inf_nan_mode="null")
