"""Responses: whole ones in one write, and callers that have gone."""

import asyncio
import logging
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Message
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from server.http.connection.response import has_disconnected, send_whole

pytestmark = pytest.mark.anyio

ANSWER = Response(b"{}", headers={"x-request-id": "mine"}, media_type="application/json")


class Wire(asyncio.Transport):
    """A transport that stores the written bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: Any) -> None:
        """Keep it."""
        self.writes.append(data)

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self.closed


class Request:
    """A request as in uvicorn, with the state of its response."""

    def __init__(self, *, keep_alive: bool = True) -> None:
        self.wire = Wire()
        self.responses = 0
        self.cycle = RequestResponseCycle(
            scope={"type": "http", "method": "POST"},  # type: ignore[typeddict-item]  # as much as is needed
            transport=self.wire,
            flow=FlowControl(self.wire),
            logger=logging.getLogger(),
            access_logger=logging.getLogger(),
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=keep_alive,
            on_response=self._count,
        )

    def _count(self) -> None:
        self.responses += 1


async def test_a_whole_response_is_one_write() -> None:
    """Status, both sets of headers and the body leave in one write; the connection accepts the next request."""
    request = Request()
    assert send_whole(request.cycle.send, ANSWER)
    assert [
        b"HTTP/1.1 200 OK\r\ndate: today\r\nx-request-id: mine\r\ncontent-length: 2\r\n"
        b"content-type: application/json\r\n\r\n{}"
    ] == request.wire.writes
    assert (1, False) == (request.responses, request.wire.closed)
    assert request.cycle.response_started
    assert request.cycle.response_complete


@pytest.mark.parametrize("asked_by", ["caller", "response"])
async def test_the_last_response_closes_its_connection(asked_by: str) -> None:
    """Either side may end the connection; the response says so once."""
    request = Request(keep_alive=asked_by != "caller")
    headers = {"connection": "close"} if asked_by == "response" else {}
    assert send_whole(request.cycle.send, Response(b"", headers=headers))
    (written,) = request.wire.writes
    assert 1 == written.count(b"connection: close\r\n")
    assert (1, True) == (request.responses, request.wire.closed)


async def test_a_caller_that_has_gone_is_sent_nothing() -> None:
    """There is nothing left to do for such a response."""
    request = Request()
    request.cycle.disconnected = True
    assert send_whole(request.cycle.send, ANSWER)
    assert ([], 0) == (request.wire.writes, request.responses)


async def _chunks() -> Any:
    yield b""


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(StreamingResponse(_chunks()), id="streaming"),
        pytest.param(Response(b"", background=lambda: None), id="with a background task"),  # type: ignore[arg-type]
    ],
)
async def test_other_responses_send_themselves(answer: Response) -> None:
    """Only a response that is complete can leave in one write."""
    request = Request()
    assert not send_whole(request.cycle.send, answer)
    assert [] == request.wire.writes


async def test_a_full_buffer_is_left_to_uvicorn() -> None:
    """If the caller reads slowly, uvicorn waits for buffer space before it writes."""
    request = Request()
    request.cycle.flow.pause_writing()
    assert not send_whole(request.cycle.send, ANSWER)
    assert [] == request.wire.writes


async def test_another_server_is_left_alone() -> None:
    """A ``send`` that is not uvicorn's own gets ASGI's messages."""

    async def send(_: Message) -> None:
        pytest.fail("nothing is sent")

    async def receive() -> Message:
        pytest.fail("nothing is received")

    assert not send_whole(send, ANSWER)
    assert has_disconnected(receive) is None


async def test_a_request_tells_whether_its_caller_has_gone() -> None:
    """Without waiting for a message."""
    request = Request()
    assert has_disconnected(request.cycle.receive) is False
    request.cycle.disconnected = True
    assert has_disconnected(request.cycle.receive) is True
