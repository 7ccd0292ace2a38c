"""What all connections share: their limits, what they hold together, and their end."""

import asyncio
import resource
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from server.http.connection.refusals import Refusals
from server.http.connection.response import RenderedHeaders
from server.settings import Settings

if TYPE_CHECKING:  # the protocol imports this module
    from server.http.connection.protocol import BoundedProtocol

_RESERVED_DESCRIPTORS: Final = 64
"""Files that the process needs beside its connections."""
_MAX_HELD_BYTES: Final = 16 * 1024 * 1024
"""Of all connections together: requests behind one that is being answered, and answers that are not read yet."""
_END_S: Final = 0.2
"""At the end, for each of three steps: unread answers, refusals of what is unanswered, the last bytes."""


class Connections:
    """Limits and state of all connections. All state belongs to the event loop's thread.

    Args:
        settings: the operator's limits.
        refusals: where refused connections are counted.

    Attributes:
        refusals: as above.
        max_connections: that may be open at the same time.
        held_bytes: of requests that arrived behind one that is being answered.
    """

    def __init__(self, settings: Settings, refusals: Refusals) -> None:
        self.refusals = refusals
        self.max_connections = min(settings.max_connections, _spare_descriptors())
        timeout = f"timeout={settings.keep_alive_s}"
        self._keep_alive = [(b"connection", b"keep-alive"), (b"keep-alive", timeout.encode())]
        self._default_headers: list[tuple[bytes, bytes]] = []
        self._headers = RenderedHeaders(self._keep_alive)
        self.held_bytes = 0
        self._write_timeout_s = settings.request_timeout_s

    @property
    def holds_too_much(self) -> bool:
        """Whether requests behind others fill their memory."""
        return self.held_bytes > _MAX_HELD_BYTES

    def with_keep_alive(self, headers: list[tuple[bytes, bytes]]) -> RenderedHeaders:
        """Return headers of uvicorn, which change every second, with those that promise to take another request."""
        if headers is not self._default_headers:
            self._default_headers, self._headers = headers, RenderedHeaders([*headers, *self._keep_alive])
        return self._headers

    def sweep(self, connections: Iterable["BoundedProtocol"]) -> None:
        """Close the connections whose answers are not read: for too long, or where they take too much memory together.

        Call it about once a second.
        """
        self.refusals.flush()
        unread = [connection for connection in connections if connection.check_unread()]
        unread.sort(key=lambda connection: connection.unread_since_s)
        total = sum(connection.unread_bytes for connection in unread)
        now_s = asyncio.get_running_loop().time()
        for connection in unread:
            if total > _MAX_HELD_BYTES or now_s - connection.unread_since_s > self._write_timeout_s:
                total -= connection.unread_bytes
                connection.drop_unread()

    def end_keep_alive(self, connections: Iterable["BoundedProtocol"]) -> None:
        """Promise no further request on any connection: the server drains."""
        self._keep_alive, self._default_headers = [], []
        for connection in connections:
            connection.end_keep_alive()

    async def flush(self, connections: Iterable["BoundedProtocol"], timeout_s: float) -> None:
        """Wait until all answers are sent, at most for so long."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        while loop.time() < deadline_s and any(connection.check_unread() for connection in connections):  # noqa: ASYNC110 - the transport tells no event
            await asyncio.sleep(_END_S / 20)

    async def end(self, connections: set["BoundedProtocol"], tasks: set["asyncio.Task[None]"]) -> None:
        """Close all connections in less than a second. Requests without an answer get one if they can take it.

        Args:
            connections: all that are open; it changes meanwhile.
            tasks: the requests that are being answered; it changes meanwhile.
        """
        for connection in list(connections):
            if connection.flow.write_paused:  # its task waits for the caller to read
                connection.drop_unread()
            else:
                connection.shutdown()
        if tasks:
            await asyncio.wait(list(tasks), timeout=_END_S)
        for task in list(tasks):
            task.cancel()  # it answers that the server is shutting down
        if tasks:
            await asyncio.wait(list(tasks), timeout=_END_S)
        await self.flush(list(connections), _END_S)
        for connection in list(connections):
            connection.drop_unread()
        self.refusals.close()


def _spare_descriptors() -> int:
    """Return how many connections leave the process enough descriptors for its own files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, soft - _RESERVED_DESCRIPTORS)
