"""Bodies: bytes from the wire, or a domain error that says what is wrong.

The size is enforced while reading, so that a body without ``content-length`` can not fill the memory.
"""

import asyncio
from typing import Final

from starlette.types import Receive

from server.errors import (
    CallerGoneError,
    OverloadedError,
    SlowBodyError,
    TooLargeError,
)

_BODIES_AT_ONCE: Final = 8
"""Bodies of the largest size that may be arriving at the same time."""


class Bodies:
    """Read bodies: each within its size and time, all at once within a multiple of that size.

    Args:
        max_body_bytes: of one body.
        timeout_s: for one body to arrive.
    """

    def __init__(self, max_body_bytes: int, timeout_s: float) -> None:
        self._max_body_bytes = max_body_bytes
        self._timeout_s = timeout_s
        self._held_bytes = 0

    def check(self, size: int) -> None:
        """Refuse a body of so many bytes if that is too large.

        Raises:
            TooLargeError: if it is larger than the setting ``max_body_bytes``.
        """
        if size > self._max_body_bytes:
            raise self._too_large(f"{size} bytes")

    async def read(self, receive: Receive, announced: str | None) -> bytes:
        """Return the whole body.

        Args:
            receive: of ASGI.
            announced: the header ``content-length``, if there is one.

        Raises:
            TooLargeError: if it is larger than the setting ``max_body_bytes``.
            OverloadedError: if the bodies that are arriving hold too much memory together.
            SlowBodyError: if it takes longer than the setting ``request_timeout_s`` to arrive.
            CallerGoneError: if the caller disconnects meanwhile.
        """
        if announced is not None and announced.isdecimal():
            self.check(int(announced))
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._collect(receive)
        except TimeoutError:
            raise SlowBodyError(
                f"the body did not arrive in {self._timeout_s:g} s; send it faster or in smaller parts"
            ) from None

    async def _collect(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        try:
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise CallerGoneError("the caller disconnected before its body was complete")
                chunk, more = message.get("body", b""), message.get("more_body", False)
                size += len(chunk)
                self._held_bytes += len(chunk)
                if size > self._max_body_bytes:
                    raise self._too_large("more bytes than that")
                if self._held_bytes > _BODIES_AT_ONCE * self._max_body_bytes:
                    raise OverloadedError(
                        f"bodies of {self._held_bytes} bytes are arriving, at most "
                        f"{_BODIES_AT_ONCE * self._max_body_bytes} are held; retry in a second",
                        retry_after_s=1.0,
                    )
                chunks.append(chunk)
        finally:
            self._held_bytes -= size
        return b"".join(chunks)

    def _too_large(self, size: str) -> TooLargeError:
        return TooLargeError(
            f"the body has {size}, at most {self._max_body_bytes} bytes are read; send fewer or shorter texts"
        )
