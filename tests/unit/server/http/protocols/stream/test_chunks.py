"""Chunks: an encoded body is inflated piece by piece, however it is cut."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import CallerGoneError, DrainingError, MalformedBodyError, SlowBodyError
from server.http.body import window_bits
from server.http.protocols.stream import chunks
from server.http.protocols.stream.chunks import Inflater, read_chunks

pytestmark = pytest.mark.anyio


def deflate_raw(data: bytes) -> bytes:
    """Return what some clients mean by deflate."""
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


ENCODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", deflate_raw),
}


def inflate(encoding: str, parts: list[bytes]) -> bytes:
    """Return what a body in chunks inflates to."""
    bits = window_bits(encoding)
    assert bits is not None
    inflater = Inflater(bits)
    ends = [False] * (len(parts) - 1) + [True]
    return b"".join(piece for part, end in zip(parts, ends, strict=True) for piece in inflater.feed(part, end=end))


@pytest.mark.parametrize("kind", ENCODINGS)
@given(data=st.binary(max_size=50).flatmap(lambda each: st.integers(1, 5000).map(lambda n: each * n)), step=st.data())
def test_any_chunks_inflate_to_the_same(kind: str, data: bytes, step: Any) -> None:
    """To all of it, also where a piece is full or a chunk is one byte."""
    encoding, compress = ENCODINGS[kind]
    body = compress(data)
    size = step.draw(st.integers(1, len(body)))
    assert data == inflate(encoding, [body[at : at + size] for at in range(0, len(body), size)])


@pytest.mark.parametrize("size", [65_536, 66_050])
def test_what_a_full_piece_leaves_inside_is_given(size: int) -> None:
    """The last input may be used up by a full piece while zlib holds more output: 66,050 zeros in raw deflate do so."""
    body = deflate_raw(bytes(size))
    assert bytes(size) == inflate("deflate", [body])
    stream = zlib.decompressobj(-15)
    stream.decompress(body, 65_536)
    assert (size == 66_050) == (not stream.unconsumed_tail and not stream.eof)


def test_members_of_gzip_follow_each_other() -> None:
    """As programs write that append to a file."""
    body = gzip.compress(b"a\n") + gzip.compress(b"b\n")
    assert b"a\nb\n" == inflate("gzip", [body]) == inflate("gzip", [bytes([byte]) for byte in body])


@pytest.mark.parametrize("kind", ENCODINGS)
def test_a_body_that_breaks_off_is_refused(kind: str) -> None:
    """Lines before the break are given, then the error."""
    encoding, compress = ENCODINGS[kind]
    with pytest.raises(MalformedBodyError, match="has no end"):
        inflate(encoding, [compress(b"good " * 100)[:-1]])
    with pytest.raises(MalformedBodyError, match="can not be inflated"):
        inflate(encoding, [compress(b"good")[:4] + b"\xff" * 20])


def test_a_small_body_that_inflates_to_a_large_one_takes_little_memory() -> None:
    """64 MiB of zeros are 64 KiB; the pieces are dropped as they are read."""
    body = zlib.compress(bytes(64 * 2**20))
    bits = window_bits("deflate")
    assert bits is not None
    tracemalloc.start()
    try:
        assert 64 * 2**20 == sum(len(piece) for piece in Inflater(bits).feed(body, end=True))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


async def read(messages: list[dict[str, Any]], drain_began: asyncio.Event | None = None) -> list[bytes]:
    """Return the chunks that a caller sends; after its messages it is silent."""
    queue: asyncio.Queue[Any] = asyncio.Queue()
    for message in messages:
        queue.put_nowait(message)
    first = asyncio.ensure_future(queue.get())
    return [chunk async for chunk in read_chunks(queue.get, first, drain_began or asyncio.Event(), None)]


MORE = {"type": "http.request", "body": b"a", "more_body": True}


async def test_a_body_ends_with_its_last_message() -> None:
    """An empty body has no line."""
    assert [b"a", b"b"] == await read([MORE, {"type": "http.request", "body": b"b"}])
    assert [b""] == await read([{"type": "http.request"}])


async def test_a_body_that_does_not_end_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller disconnects, the server drains, or nothing comes for long."""
    with pytest.raises(CallerGoneError):
        await read([MORE, {"type": "http.disconnect"}])
    drain_began = asyncio.Event()
    drain_began.set()
    with pytest.raises(DrainingError):
        await read([MORE, MORE], drain_began)
    monkeypatch.setattr(chunks, "_SILENCE_S", 0.001)
    with pytest.raises(SlowBodyError, match="no line arrived"):
        await read([])
