"""Reading: where the parts of HTTP/1.1 messages end, so that a parser is given one message at a time; and when to stop.

The parser cannot be stopped between two messages. A message's head, and a body without a length, end with an empty
line (RFC 9112, sections 2.1 and 7.1); the parser refuses lines that end otherwise. A body of known length is counted.
"""

from collections.abc import Iterable
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

HEAD_END: Final = b"\r\n\r\n"
_MIN_CHUNKED_BYTES: Final = 64
"""Of a part of a chunked body: a body of nothing but empty lines must not be parsed byte by byte. Two short requests
may follow the body in so many bytes; they are parsed with it."""
_CHUNKED: Final = -1


class Splitter:
    """The place of a parser in its messages.

    Attributes:
        in_message: whether a message has begun and not ended.
        in_head: whether its head has not ended.
    """

    __slots__ = ("_body_left", "_tail", "in_head", "in_message")

    def __init__(self) -> None:
        self.in_message = self.in_head = False
        self._tail, self._body_left = b"", 0

    def begin(self) -> None:
        """Note that a message begins."""
        self.in_message = self.in_head = True
        self._tail, self._body_left = b"", 0

    def is_one(self, data: bytes, max_bytes: int) -> bool:
        """Whether data begin a message and no second one ends in them.

        Args:
            data: what was read.
            max_bytes: the size up to which that is looked for.
        """
        return not self.in_message and len(data) <= max_bytes and data.find(HEAD_END, data.find(HEAD_END) + 1) < 0

    def part_end(self, data: bytes, at: int) -> int:
        """Return the end of the part of a message that begins or continues at ``at``.

        Args:
            data: what was read.
            at: the first byte that was not parsed.
        """
        if not self.in_message:
            end = data.find(HEAD_END, at) + len(HEAD_END)
            return len(data) if end < len(HEAD_END) else end
        if self.in_head:
            return self._head_end(data, at)
        if self._body_left == _CHUNKED:
            end = data.find(HEAD_END, at) + len(HEAD_END)
            return len(data) if end < len(HEAD_END) else max(end, min(len(data), at + _MIN_CHUNKED_BYTES))
        return min(len(data), at + self._body_left)

    def _head_end(self, data: bytes, at: int) -> int:
        """Return the end of a head whose first part was parsed before; its empty line may be in both."""
        straddling = (self._tail + data[at : at + len(HEAD_END) - 1]).find(HEAD_END)
        if straddling >= 0:
            return at + straddling + len(HEAD_END) - len(self._tail)
        end = data.find(HEAD_END, at) + len(HEAD_END)
        return len(data) if end < len(HEAD_END) else end

    def parsed(self, piece: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Note what was parsed, where the message has not ended with it.

        Args:
            piece: as far as ``part_end`` said.
            headers: of the message.
        """
        if self.in_head:
            self._tail = (self._tail + piece)[1 - len(HEAD_END) :]
        elif not self._body_left:  # its head has ended in this piece
            head_end = piece.find(HEAD_END) + len(HEAD_END)
            begun = len(piece) - head_end if head_end >= len(HEAD_END) else 0
            length = _body_bytes(headers)
            self._body_left = length if length == _CHUNKED else length - begun
        elif self._body_left != _CHUNKED:
            self._body_left -= len(piece)


class LockedFlow(FlowControl):
    """uvicorn's flow control with a lock: uvicorn reads on with every request that it serves.

    Attributes:
        locked: whether too much waits to be parsed.
    """

    locked = False

    def lock(self) -> None:
        """Read nothing until ``unlock``."""
        self.locked = True
        self.pause_reading()

    def unlock(self) -> None:
        """Read on."""
        self.locked = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read on, unless that is locked."""
        if self.read_paused and not self.locked:
            super().resume_reading()


def _body_bytes(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """Return the length of a body, which the parser has checked, or ``_CHUNKED``."""
    return next((int(value) for name, value in headers if name == b"content-length"), _CHUNKED)
