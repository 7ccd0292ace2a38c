"""A trace collector on 127.0.0.1 that accepts OTLP over HTTP, as the OpenTelemetry Collector does, in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class ReceivedSpan:
    """One span, its attributes and those of its resource."""

    name: str
    trace_id: str
    parent_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """The requests received.

    Attributes:
        endpoint: value of ``OTEL_EXPORTER_OTLP_ENDPOINT`` for a sender.
        bodies: the requests' bodies, OTLP protobuf.
    """

    endpoint: str
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[ReceivedSpan]:
        """The spans of all requests, in their order."""
        # Imported here because the module is also used without OTLP installed.
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
            ExportTraceServiceRequest,
        )

        return [
            ReceivedSpan(
                span.name,
                span.trace_id.hex(),
                span.parent_span_id.hex(),
                _attributes(span.attributes),
                _attributes(group.resource.attributes),
            )
            for body in self.bodies
            for group in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


@contextmanager
def collecting() -> Iterator[Collector]:
    """Run a collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_otlp = (self.path, self.headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
            if is_otlp:
                collector.bodies.append(body)
            self.send_response(200 if is_otlp else 400)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()
