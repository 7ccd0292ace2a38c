"""Streams against the real process, by a caller that writes and reads at the same time."""

import asyncio
import gzip
import json
import re
import resource
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from artifact.child import ServedArtifact
from tests.support.figures import read_figures
from tests.support.process import server_process

pytestmark = pytest.mark.anyio

PATIENCE_S = 60
MIB = 2**20


@pytest.fixture(scope="module")
def server() -> Iterator[ServedArtifact]:
    """Return a server on the tiny artifact."""
    with server_process() as process:
        yield process


class Stream:
    """A stream on a connection of its own.

    Args:
        reader: of the connection.
        writer: likewise.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = b""
        self.writer = writer
        self._reader = reader
        self._rest = b""

    async def begin(self, *headers: str) -> None:
        """Send the head of the request."""
        lines = ["POST /predict/stream HTTP/1.1", "host: x", "transfer-encoding: chunked", *headers]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        await self.writer.drain()

    async def send(self, data: bytes) -> None:
        """Send a chunk of the body; without bytes its end."""
        self.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
        await asyncio.wait_for(self.writer.drain(), PATIENCE_S)

    async def line(self) -> dict[str, Any] | None:
        """Return the next line of the answer, None at its end."""
        while b"\n" not in self._rest:
            chunk = await self._chunk()
            if not chunk:
                assert not self._rest
                return None
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def lines(self) -> list[dict[str, Any]]:
        """Return the other lines."""
        found = []
        while (line := await self.line()) is not None:
            found.append(line)
        return found

    async def _chunk(self) -> bytes:
        if not self.head:
            self.head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            assert b"HTTP/1.1 200 OK" in self.head
        size = int(await asyncio.wait_for(self._reader.readline(), PATIENCE_S), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


@asynccontextmanager
async def streaming(server: ServedArtifact, *headers: str) -> AsyncIterator[Stream]:
    """Begin a stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    stream = Stream(reader, writer)
    try:
        await stream.begin(*headers)
        yield stream
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


def line_of(number: int, text: str = "good") -> bytes:
    """Return a line with an id."""
    return b'{"id":%d,"text":%b}\n' % (number, json.dumps(text).encode())


def resident_bytes(server: ServedArtifact) -> int:
    """Return the memory that the process holds."""
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def figures(server: ServedArtifact) -> dict[str, float]:
    """Return the server's metrics."""
    async with httpx.AsyncClient() as client:
        return read_figures((await client.get(f"{server.url}/metrics")).content)


async def test_a_line_is_answered_while_others_are_still_to_come(server: ServedArtifact) -> None:
    """A caller may wait for each answer before it sends the next line, cut anywhere."""
    async with streaming(server) as stream:
        for number in range(3):
            data = line_of(number)
            await stream.send(data[:9])
            await stream.send(data[9:])
            answer = await stream.line()
            assert answer is not None
            assert number == answer["id"]
        await stream.send(b"")
        assert [] == await stream.lines()


async def test_a_caller_that_expects_to_be_asked_to_continue_is(server: ServedArtifact) -> None:
    """Before the head of the answer, which many a client would take for a refusal of the body."""
    async with streaming(server, "expect: 100-continue") as stream:
        asked = await asyncio.wait_for(stream._reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == asked
        await stream.send(line_of(1))
        await stream.send(b"")
        assert [1] == [line["id"] for line in await stream.lines()]


async def test_scores_are_those_of_predict(server: ServedArtifact) -> None:
    """To the last digit, in a compressed body too, whatever lines are around."""
    texts = ["good", "bad bad", "a b c good", "z " * 40, "good bad"] * 20
    body = b"".join(line_of(number, text) for number, text in enumerate(texts))
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client:
        expected = [(await client.post("/predict", json={"text": text})).json() for text in texts]
        for content, headers in ((body, {}), (gzip.compress(body), {"content-encoding": "gzip"})):
            reply = await client.post("/predict/stream", content=content, headers=headers)
            assert [{"id": place} | each for place, each in enumerate(expected)] == [
                json.loads(line) for line in reply.text.splitlines()
            ]


async def test_many_lines_take_little_memory(server: ServedArtifact) -> None:
    """30,000 lines, answered in order, as the caller reads them. Nothing of them is kept."""

    async def send(stream: Stream) -> None:
        for start in range(0, 30_000, 100):
            await stream.send(
                b"".join(line_of(number, f"good {'abcde'[number % 5]}") for number in range(start, start + 100))
            )
        await stream.send(b"")

    async with streaming(server) as stream:
        await stream.send(b"".join(line_of(number) for number in range(1000)))
        for number in range(1000):
            assert number == (await stream.line() or {})["id"]
        before = resident_bytes(server)
        sending = asyncio.create_task(send(stream))
        most = count = 0
        while (line := await stream.line()) is not None:
            assert count == line["id"]
            count += 1
            if not count % 1000:
                most = max(most, resident_bytes(server))
        await sending
    assert 30_000 == count
    assert most - before < 16 * MIB


async def test_a_slow_reader_slows_itself_alone(server: ServedArtifact) -> None:
    """It is read no further than its answers are, and others are answered meanwhile."""
    async with streaming(server) as stream:
        data = b"".join(line_of(number, "good " * 50) for number in range(2000))
        before = resident_bytes(server)
        sent = 0
        stalled = False
        while not stalled and sent < 500:
            stream.writer.write(b"%x\r\n%b\r\n" % (len(data), data))
            sent += 1
            try:
                await asyncio.wait_for(stream.writer.drain(), 2)
            except TimeoutError:
                stalled = True
        assert stalled
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client:
            assert 200 == (await client.post("/predict", json={"text": "good"})).status_code
        assert resident_bytes(server) - before < 32 * MIB
        assert 0 == (await figures(server))["verdict_queue_depth_texts"]
        for number in range(5000):
            assert number % 2000 == (await stream.line() or {})["id"]


async def test_a_caller_that_leaves_frees_its_place() -> None:
    """Its lines leave the queue, and its request ends."""
    with server_process(log_format="json") as server:
        async with streaming(server) as stream:
            await stream.send(b"".join(line_of(number, "good " * 50) for number in range(5000)))
            assert await stream.line() is not None
        await asyncio.to_thread(server.wait_for, '"/predict/stream"')
        logged = json.loads(next(line for line in server.lines if "/predict/stream" in line))
        assert logged["answered"] <= logged["lines"] <= 5000
        now = await figures(server)
    assert (0, 0) == (now["verdict_queue_depth_texts"], now["verdict_in_flight_texts"])


async def test_a_full_queue_makes_a_stream_wait() -> None:
    """Others fill the queue and are refused meanwhile; every line of the stream is answered."""
    with server_process(max_queue_tokens="256", max_batch_tokens="64") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE_S) as client, streaming(server) as stream:

            async def crowd(letter: str, done: asyncio.Event) -> set[int]:
                statuses = set()
                while not done.is_set():
                    texts = [f"{letter} {other}" for other in "abcdefghijklmnopqrstuvwxyz"]
                    statuses.add((await client.post("/predict/batch", json={"texts": texts})).status_code)
                return statuses

            done = asyncio.Event()
            others = [asyncio.create_task(crowd(letter, done)) for letter in "abcdefgh"]
            await stream.send(b"".join(line_of(number) for number in range(1000)))
            await stream.send(b"")
            answers = await stream.lines()
            done.set()
            statuses = set.union(*await asyncio.gather(*others))
    assert list(range(1000)) == [answer["id"] for answer in answers]
    assert [] == [answer for answer in answers if "error" in answer]
    assert {200, 429} == statuses


async def test_a_drain_ends_a_stream_with_a_last_line() -> None:
    """It says how many lines were answered, so that the caller sends the others elsewhere; the process ends well."""
    with server_process() as server:
        async with streaming(server) as stream:
            await stream.send(b"".join(line_of(number) for number in range(10)))
            answers = [await stream.line() for _ in range(10)]
            server.signal(signal.SIGTERM)
            *others, last = await stream.lines()
        assert 0 == server.wait()
    assert [*range(10)] == [(answer or {})["id"] for answer in answers]
    assert [] == others
    assert (10, "draining") == (last["answered"], last["error"]["kind"])
    assert re.search(rb"x-request-id: (\w+)", stream.head)[1].decode() == last["error"]["request_id"]  # type: ignore[index]  # there is one


async def test_no_answered_line_is_lost_in_a_drain() -> None:
    """While lines are sent without end, the count of the last line is that of the answers before it."""
    with server_process() as server:
        async with streaming(server) as stream:

            async def send() -> None:
                for start in range(0, 10**9, 100):
                    await stream.send(b"".join(line_of(number) for number in range(start, start + 100)))

            sending = asyncio.create_task(send())
            first = await stream.line()
            server.signal(signal.SIGTERM)
            *others, last = await stream.lines()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        assert 0 == server.wait()
    assert [*range(last["answered"])] == [(answer or {})["id"] for answer in [first, *others]]


async def test_a_stream_that_is_not_done_at_the_end_of_a_drain_is_told() -> None:
    """The time to drain is over before the first line has run."""
    with server_process(drain_timeout_s="0") as server:
        async with streaming(server) as stream:
            await stream.send(line_of(1))
            assert await stream.line() is not None
            server.signal(signal.SIGTERM)
            lines = await stream.lines()
        assert 0 == server.wait()
    assert [("draining", 1)] == [(line["error"]["kind"], line["answered"]) for line in lines]
