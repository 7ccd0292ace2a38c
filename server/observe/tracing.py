"""Tracing: one span per request, sent to an OpenTelemetry collector where ``OTEL_EXPORTER_OTLP_ENDPOINT`` names one.

FastAPI opens and ends the spans. This module decides where they go and what they contain: sizes and times, never
text. The SDK is optional (``requirements/tracing.txt``) and reads its other variables itself: headers,
certificates, timeouts, sampling, ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES``.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from opentelemetry import trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_logger = logging.getLogger(__name__)
_TRACES_PATH: Final = "/v1/traces"
"""Below the endpoint: https://opentelemetry.io/docs/specs/otlp/#otlphttp-request"""
_FLUSH_S: Final = 2.0
"""Seconds to send the last spans: a collector that is down must not use up the platform's kill time."""
_FROM_THE_URL: Final = ("url.path", "url.query")
"""A caller may have written a text into the URL; ``http.route`` tells which route it was."""


class Tracing:
    """Sends spans to a collector; does nothing, at no cost, without an endpoint or without the SDK.

    Args:
        endpoint: the collector's base URL, such as ``http://127.0.0.1:4318``; it must take OTLP over HTTP.

    Attributes:
        provider: makes the spans; None if there is nowhere to send them.
    """

    def __init__(self, endpoint: str | None) -> None:
        self.provider = _make_provider(endpoint) if endpoint else None

    def annotate(self, figures: Callable[[], Mapping[str, str | float]]) -> None:
        """Put figures on the span of the request being served as ``verdict.NAME``; called only if there is a span."""
        if self.provider is not None and (span := trace.get_current_span()).is_recording():
            span.set_attributes({f"verdict.{name}": value for name, value in figures().items()})

    def trace_id(self) -> str | None:
        """Return the id under which the request being served is traced, 32 hexadecimal digits, or None."""
        if self.provider is None:
            return None
        context = trace.get_current_span().get_span_context()
        return trace.format_trace_id(context.trace_id) if context.is_valid else None

    async def close(self) -> None:
        """Send the last spans, for at most two seconds."""
        if self.provider is None:
            return
        # A daemon thread: a collector that never answers must not keep the process alive.
        thread = threading.Thread(target=self.provider.shutdown, name="tracing", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, _FLUSH_S)


def _make_provider(endpoint: str) -> "TracerProvider | None":
    try:
        # Imported here because the server runs without them.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        _logger.warning(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and %s is not installed, so there are no traces; "
            "pip install -r requirements/tracing.txt, or unset it",
            error.name,
        )
        return None

    class Discreet(SpanProcessor):
        """Redact what the caller wrote into the URL from a new span."""

        def on_start(self, span: Span, parent_context: object = None) -> None:
            del parent_context
            written = [name for name in _FROM_THE_URL if name in (span.attributes or {})]
            span.set_attributes(dict.fromkeys(written, "REDACTED"))

    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over our own name.
    resource = Resource.create({"service.name": "verdict"}).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(Discreet())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint.rstrip("/") + _TRACES_PATH)))
    return provider
