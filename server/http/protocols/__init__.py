"""Protocols: one module per wire format, registered here."""

from typing import Final

from server.http.protocols import native

WIRE_FORMATS: Final = (native.FORMAT,)
"""A new wire format is one module beside ``native`` and one name in this tuple."""
