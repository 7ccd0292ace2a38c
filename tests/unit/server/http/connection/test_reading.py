"""Reading: a parser gets one message at a time, wherever the network has cut the bytes."""

import httptools
import pytest

from server.http.connection.reading import Splitter

HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"
MESSAGES = {
    "without a body": b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    "with a body": HEAD + b"123456789",
    "with a body of empty lines": HEAD + b"\r\n\r\n\r\n\r\n9",
    "with a body as long as three heads": HEAD.replace(b" 9", b" 150") + b"1" * 150,
}


class Reader:
    """A parser behind a splitter, as in a connection.

    Attributes:
        ended: messages that ended in each piece that was parsed.
    """

    def __init__(self) -> None:
        self.ended: list[int] = []
        self._splitter = Splitter()
        self._headers: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpRequestParser(self)

    def read(self, data: bytes) -> None:
        """Parse what was read, piece by piece."""
        at = 0
        while at < len(data):
            end = len(data) if self._splitter.is_one(data, len(data)) else self._splitter.part_end(data, at)
            assert end > at
            self.ended.append(0)
            self._parser.feed_data(data[at:end])
            if self._splitter.in_message:
                self._splitter.parsed(data[at:end], self._headers)
            at = end

    def on_message_begin(self) -> None:
        """Begin."""
        self._headers.clear()
        self._splitter.begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head."""
        self._splitter.in_head = False

    def on_message_complete(self) -> None:
        """End the message."""
        self._splitter.in_message = False
        self.ended[-1] += 1


@pytest.mark.parametrize("kind", MESSAGES)
def test_no_piece_has_the_ends_of_two_messages(kind: str) -> None:
    """Three messages in two or three reads, cut at every place: each is parsed before the next one begins."""
    sent = MESSAGES[kind] * 3
    for cut in range(1, len(sent)):
        for second in {cut + 1, cut + 2, cut + 3, len(sent)}:
            reader = Reader()
            for part in (sent[:cut], sent[cut:second], sent[second:]):
                reader.read(part)
            assert 1 == max(reader.ended), (cut, second)
            assert 3 == sum(reader.ended), (cut, second)


@pytest.mark.parametrize(
    ("data", "most", "expected"),
    [
        pytest.param(MESSAGES["without a body"], 100, True, id="one"),
        pytest.param(MESSAGES["without a body"] * 2, 100, False, id="two"),
        pytest.param(MESSAGES["with a body"], 100, True, id="a body"),
        pytest.param(b"GET / HTTP/1.1\r\n", 100, True, id="a part"),
        pytest.param(MESSAGES["without a body"], 27, True, id="as large as is looked at"),
        pytest.param(MESSAGES["without a body"], 26, False, id="larger than is looked at"),
    ],
)
def test_most_messages_arrive_alone(data: bytes, most: int, *, expected: bool) -> None:
    """Data with one empty line hold no second message, unless a message was begun before."""
    splitter = Splitter()
    assert expected == splitter.is_one(data, most)
    splitter.begin()
    assert not splitter.is_one(data, most)
