"""Upgrades: a request's head without the offer to speak another protocol (RFC 9110, section 7.8)."""

from collections.abc import Iterable
from typing import Final

_HOP_BY_HOP: Final = (b"upgrade", b"http2-settings")


def head_without_upgrade(method: bytes, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request of HTTP/1.1, its last line included, that offers nothing."""
    kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP]
    lines = b"".join(b"%b: %b\r\n" % (name, _without_upgrade(name, value)) for name, value in kept)
    return b"%b %b HTTP/1.1\r\n%b\r\n" % (method, url, lines)


def _without_upgrade(name: bytes, value: bytes) -> bytes:
    if name != b"connection":
        return value
    tokens = [token.strip() for token in value.split(b",")]
    return b", ".join(token for token in tokens if token.lower() not in _HOP_BY_HOP) or b"keep-alive"
