"""Heads: the bounds on a request's first part, and the host that it must name."""

import re
from collections.abc import Sequence
from typing import Final

from server.http.errors import LargeHeadError

MAX_HEAD_BYTES: Final = 32 * 1024
"""A proxy's usual limit is 8 to 32 KiB."""
MAX_HEADERS: Final = 100
"""As Apache's. Each takes 170 bytes of memory, however short: 32 KiB of the shortest would take 1.1 MB."""
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")
"""RFC 3986, section 3.2.2, with a port."""

_Headers = Sequence[tuple[bytes, bytes]]


def is_large(url: bytes, headers: _Headers, received_bytes: int) -> bool:
    """Whether a head is over its limits.

    Args:
        url: of the request line.
        headers: all of them.
        received_bytes: an upper bound of the head's size, so that it is seldom counted.
    """
    if len(headers) > MAX_HEADERS:
        return True
    return received_bytes > MAX_HEAD_BYTES < len(url) + sum(len(name) + len(value) for name, value in headers)


def large_head() -> LargeHeadError:
    """Return the error of such a head."""
    return LargeHeadError(f"the request's head has more than {MAX_HEAD_BYTES} bytes or {MAX_HEADERS} headers")


def find_host(headers: _Headers, http_version: str) -> bytes | None:
    """Return the host that a request names, or None if it must name one and does not, names several or none.

    HTTP/1.1 demands one header (RFC 9112, section 3.2); HTTP/1.0 needs none.
    """
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts and http_version == "1.0":
        return b""
    return hosts[0] if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) else None
