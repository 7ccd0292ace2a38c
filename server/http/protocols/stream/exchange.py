"""The exchange: lines are answered in groups, in order, while later ones arrive.

A group is one admission to the queue, so a stream takes turns with other callers. It waits where they would be refused.
A caller that reads slowly slows its own stream alone: nothing more is read of it while its answers wait to be sent.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing, suppress
from typing import Final

from starlette.types import Message, Receive, Send

from server.errors import CallerGoneError, DrainingError, EngineFailedError, VerdictError
from server.http.call import Call
from server.http.protocols.stream.answers import Answers
from server.http.protocols.stream.chunks import DRAINING, read_chunks
from server.http.protocols.stream.lines import Line, LineSplitter, read_line
from server.inference.classifier import Classifier

_logger = logging.getLogger(__name__)
_GROUP_LINES: Final = 32
_GROUP_BYTES: Final = 16_000
"""A group of more text would keep the tokenizer from others."""
_GROUPS_IN_FLIGHT: Final = 3
"""One runs, one waits behind it, one is being sent."""
_LINES_AT_ONCE: Final = 256
"""Read before other work of the event loop: about a millisecond."""
_LINGER_S: Final = 1.0
"""After an early end the body is thrown away for so long: a connection with unread bytes loses its last answers."""


class Exchange:
    """One stream.

    Args:
        call: the request.
        classifier: answers.
        bits: zlib's argument for the body's content coding; None for none.
    """

    def __init__(self, call: Call, classifier: Classifier, bits: int | None) -> None:
        self._call = call
        self._services = call.services
        self._bits = bits
        self._answers = Answers(call, classifier)
        self._groups: asyncio.Queue[asyncio.Task[list[bytes]] | None] = asyncio.Queue()
        self._free = asyncio.Semaphore(_GROUPS_IN_FLIGHT)
        self._group: list[Line] = []
        self._group_bytes = 0
        self._lines = self._answered = 0
        self._end: VerdictError | None = None
        self._told = False

    async def run(self, receive: Receive, send: Send, start: Message) -> None:
        """Read lines and write answers until the body or the stream ends.

        Args:
            receive: of ASGI.
            send: of ASGI.
            start: the head of the response.
        """
        first = asyncio.ensure_future(receive())
        await asyncio.sleep(0)  # a caller that expects 100-continue gets it before the head of the response
        reading = asyncio.create_task(self._read(receive, first))
        try:
            await send(start)
            with self._call:
                await self._call.while_connected(self._write(send), reads_body=True)
            await self._finish(receive, send)
        except CallerGoneError:
            pass
        except asyncio.CancelledError:
            if not self._services.lifecycle.draining:
                raise
            self._end = DrainingError(DRAINING)  # the time to drain is over: the server cancels what is left
            await self._finish(None, send)
        finally:
            first.cancel()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            while not self._groups.empty():
                if task := self._groups.get_nowait():
                    task.cancel()
            self._call.tell(self._figures)

    async def _read(self, receive: Receive, first: asyncio.Future[Message]) -> None:
        """Cut the body into groups of lines until it ends, breaks off or the server drains."""
        services = self._services
        try:
            with LineSplitter(services.settings.max_body_bytes, services.bodies.begin) as splitter:
                async with aclosing(read_chunks(receive, first, services.lifecycle.drain_began, self._bits)) as chunks:
                    async for chunk in chunks:
                        for line in splitter.feed(chunk):
                            await self._add(line)
                        await self._dispatch()
                for line in splitter.end():
                    await self._add(line)
                await self._dispatch()
        except VerdictError as error:
            self._end = error.with_traceback(None)  # which refers to this exchange: a reference cycle
        except Exception:
            _logger.exception("stream %s failed; this is a bug", self._call.request_id)
            self._end = EngineFailedError("the server failed; send the other lines again")
        finally:
            self._groups.put_nowait(None)

    async def _add(self, line: bytes | VerdictError) -> None:
        self._lines += 1
        if not self._lines % _LINES_AT_ONCE:
            await asyncio.sleep(0)
        if isinstance(line, bytes) and not line.strip():
            return
        read = read_line(self._lines, line, self._services.settings)
        size = len(line) if isinstance(line, bytes) else 0
        if self._group and (read.truncation != self._group[0].truncation or self._group_bytes + size > _GROUP_BYTES):
            await self._dispatch()
        self._group.append(read)
        self._group_bytes += size
        if len(self._group) == _GROUP_LINES:
            await self._dispatch()

    async def _dispatch(self) -> None:
        """Let the lines that were read be answered, once there are few enough before them.

        Raises:
            DrainingError: if the server began to drain meanwhile; the lines are not answered.
        """
        if not self._group:
            return
        await self._free.acquire()
        if self._services.lifecycle.draining:
            raise DrainingError(DRAINING)
        group, self._group, self._group_bytes = self._group, [], 0
        self._groups.put_nowait(asyncio.create_task(self._answers.of(group)))

    async def _write(self, send: Send) -> None:
        while (task := await self._groups.get()) is not None:
            try:
                answers = await task
            finally:
                task.cancel()
            await send({"type": "http.response.body", "body": b"".join(answers), "more_body": True})
            self._answered += len(answers)
            self._free.release()

    async def _finish(self, receive: Receive | None, send: Send) -> None:
        """Write the last line if the stream ends early, and end the response."""
        if self._end is not None and not self._told:
            self._told = True
            line = self._answers.last(self._end, self._answered)
            await send({"type": "http.response.body", "body": line, "more_body": True})
            if receive is not None:
                await _throw_away(receive)
        await send({"type": "http.response.body", "body": b""})

    def _figures(self) -> Mapping[str, float]:
        return {"lines": self._lines, "answered": self._answered, "failed": self._answers.failed}


async def _throw_away(receive: Receive) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body", False):
                pass
