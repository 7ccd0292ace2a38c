"""Spans: which requests FastAPI traces, and with what."""

from collections.abc import MutableMapping
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import TracerProvider

_PROBES = ("/health/", "/metrics")


def request_spans(provider: TracerProvider | None) -> TelemetryConfig:
    """Return FastAPI's telemetry settings: one span per request with this provider, none at all without.

    Its metrics would count again what ``server.observe.metrics`` counts. Its logs hold exceptions, and its spans of
    operations the times of its own parts. Its automatic set-up would read the environment behind the settings' back.
    """
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": _is_probe,
    }


def _is_probe(scope: MutableMapping[str, Any]) -> bool:
    path: str = scope["path"]
    return path.startswith(_PROBES)
