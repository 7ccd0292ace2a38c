"""Connections: the bounds that uvicorn does not set, and responses in one write.

This is the only package that uses what uvicorn does not document. ``UVICORN`` names all of it.
"""

from collections.abc import Mapping
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

UVICORN: Final[Mapping[type, tuple[str, ...]]] = {
    HttpToolsProtocol: (
        "connection_made(transport)",
        "connection_lost(exc)",
        "data_received(data)",
        "on_header(name, value)",
        "on_message_begin()",
        "on_headers_complete()",
        "on_message_complete()",
        "on_response_complete()",
        "resume_writing()",
        "shutdown()",
        "_start_asgi_task(cycle, app)",
        "_unset_keepalive_if_required()",
        "connections",
        "cycle",
        "expect_100_continue",
        "flow",
        "headers",
        "loop",
        "parser",
        "transport",
        "url",
    ),
    RequestResponseCycle: (
        "receive()",
        "send(message)",
        "default_headers",
        "disconnected",
        "flow",
        "keep_alive",
        "message_event",
        "more_body",
        "on_response",
        "response_complete",
        "response_started",
        "scope",
        "transport",
    ),
    FlowControl: ("pause_reading()", "resume_reading()", "read_paused", "write_paused"),
}
"""All names of uvicorn on which this package depends: methods with their parameters, and attributes of instances."""
