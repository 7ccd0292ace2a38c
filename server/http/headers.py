"""Headers: those that requests send us, and those that every response has."""

import os
import re
from typing import Final

from starlette.types import Scope

from server.errors import InvalidRequestError

_TIMEOUT: Final = b"x-request-timeout-ms"
_MILLISECONDS: Final = re.compile(r"[1-9][0-9]{0,8}")
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

SAFE_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),  # errors quote the caller: no browser may read HTML in it
    (b"cache-control", b"no-store"),  # a kept response may hold someone's text or old health
)
"""Of every response."""

PARAMETERS: Final = [
    {
        "name": _TIMEOUT.decode(),
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "description": "how long the caller waits at most; the server's own limit where that is less",
    }
]
"""The headers that change a prediction, for the OpenAPI document."""


def header(scope: Scope, name: bytes) -> str | None:
    """Return the first header of a name in lower case, or None.

    Starlette's ``Headers`` finds the same and takes five times as long; a request needs several headers.
    """
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def patience_s(scope: Scope, limit_s: float) -> float:
    """Return how long a request may wait: the operator's limit, or less if its caller asks for less.

    Args:
        scope: of ASGI; its header ``x-request-timeout-ms`` counts.
        limit_s: the setting ``request_timeout_s``.

    Raises:
        InvalidRequestError: if the header is not a positive number of milliseconds.
    """
    sent = header(scope, _TIMEOUT)
    if sent is None:
        return limit_s
    if not _MILLISECONDS.fullmatch(sent):
        raise InvalidRequestError(
            f"{_TIMEOUT.decode()}: {sent[:20]!r} is not a number of milliseconds; send 1 to 999999999"
        )
    return min(limit_s, int(sent) / 1000)


def request_id(scope: Scope) -> str:
    """Return the caller's ``x-request-id`` if it is short and plain, so that it can stand in logs, else a new one."""
    sent = header(scope, b"x-request-id")
    return sent if sent and _PLAIN_ID.fullmatch(sent) else new_request_id()


def new_request_id() -> str:
    """Return an id that no other request has: 32 hexadecimal digits."""
    return os.urandom(16).hex()
