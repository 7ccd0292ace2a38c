"""The caller: whether it is still there, and how long it is willing to wait."""

import asyncio
import re
from types import TracebackType
from typing import Final

from starlette.types import Receive

from server.errors import CallerGoneError, InvalidRequestError

_UNWATCHED_S: Final = 0.05
TIMEOUT_HEADER: Final = b"x-request-timeout-ms"
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}")
PARAMETERS: Final = [
    {
        "name": TIMEOUT_HEADER.decode(),
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "description": "how long the caller waits at most; the server's own limit where that is less",
    }
]
"""The headers that a prediction heeds, for the OpenAPI document."""


class WhileConnected:
    """Cancel the enclosed work when the caller disconnects, so that its texts leave the queue.

    Use as ``with WhileConnected(receive): ...`` after the body has been read. It looks only at those who wait: a task
    that watches costs more than what most requests would save by it.

    Raises:
        CallerGoneError: from the block, in place of the cancellation.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._gone = False
        self._watcher: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        """Begin to watch in a moment."""
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(_UNWATCHED_S, self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop watching; does not wait, so that no cancellation can arrive between the work and its answer."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        task = self._task
        del self._timer, self._watcher, self._task  # each leads back here: a ring that only the collector would free
        if self._gone and isinstance(error, asyncio.CancelledError) and task and not task.uncancel():
            raise CallerGoneError("the caller disconnected before its answer was ready") from error

    def _start(self) -> None:
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        if self._task:
            self._task.cancel()


def patience_s(sent: str | None, limit_s: float) -> float:
    """Return how long a request may wait: the operator's limit, or less if the caller asks for less.

    Args:
        sent: the header ``x-request-timeout-ms``, if there is one.
        limit_s: the setting ``request_timeout_s``.

    Raises:
        InvalidRequestError: if the header ``x-request-timeout-ms`` is not a positive number of milliseconds.
    """
    if sent is None:
        return limit_s
    if not _MILLISECONDS.fullmatch(sent):
        raise InvalidRequestError(
            f"{TIMEOUT_HEADER.decode()}: {sent[:20]!r} is not a number of milliseconds; send 1 to 999999999"
        )
    return min(limit_s, int(sent) / 1000)
