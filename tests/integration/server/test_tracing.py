"""Tracing: data that reaches a collector, data that never does, and no effect if tracing is off."""

import logging
import socket
import sys
import threading
from typing import Any

import pytest
from opentelemetry import trace

from server.app import create_app
from server.errors import OverloadedError
from server.observe.tracing import Tracing
from server.settings import SettingsError, describe_settings, read_settings
from tests.support.classifiers import FakeClassifier
from tests.support.collector import ReceivedSpan, collecting
from tests.support.serving import make_settings, serving

pytestmark = pytest.mark.anyio

TEXT = "xyzzy"
CALLERS_TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def _sdk() -> None:
    """Skip if the optional extra is not installed."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs requirements/tracing.txt")


async def spans_of(*requests: dict[str, Any], error: Exception | None = None) -> list[ReceivedSpan]:
    """Serve some requests and return the spans in the collector after the server has ended."""
    with collecting() as collector:
        settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        async with serving(create_app(settings, FakeClassifier(error))) as client:
            for request in requests:
                await client.request(**request)
        return collector.spans


def predict(text: str = TEXT, **changes: Any) -> dict[str, Any]:
    """Return a request for one prediction."""
    return {"method": "POST", "url": "/predict", "json": {"text": text}} | changes


@pytest.mark.usefixtures("_sdk")
async def test_a_request_is_one_span_with_its_sizes_and_times() -> None:
    """A prediction arrives as one span with route, status, texts, tokens and the three times."""
    (span,) = await spans_of(predict(headers={"x-request-id": "mine-1"}))
    assert "POST /predict" == span.name
    assert "verdict" == span.resource["service.name"]
    assert {
        "http.route": "/predict",
        "http.response.status_code": 200,
        "verdict.request_id": "mine-1",
        "verdict.texts": 1,
        "verdict.tokens": 3,
        "verdict.tokenize_ms": 1.234,
        "verdict.queue_ms": 10.0,
        "verdict.inference_ms": 500.0,
    }.items() <= span.attributes.items()


@pytest.mark.usefixtures("_sdk")
async def test_no_text_reaches_the_collector_wherever_a_caller_puts_it() -> None:
    """The exported bytes never contain a text of the body, of an invalid body, of the query or of the path."""
    with collecting() as collector:
        settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
        async with serving(create_app(settings, FakeClassifier())) as client:
            for request in (
                predict(),
                predict(json={"text": 1, "truncation": TEXT}),
                predict(content=f"{{{TEXT}", json=None),
                predict(url=f"/predict?text={TEXT}"),
                predict(url=f"/{TEXT}"),
            ):
                await client.request(**request)
        assert 5 == len(collector.spans)
        assert [] == [body for body in collector.bodies if TEXT.encode() in body]


@pytest.mark.usefixtures("_sdk")
async def test_a_refusal_is_a_span_with_its_kind() -> None:
    """The span of a refused or failed request has the reason."""
    (span,) = await spans_of(predict(), error=OverloadedError("full", 1.0))
    assert ("overloaded", 429) == (
        span.attributes["verdict.error_kind"],
        span.attributes["http.response.status_code"],
    )


@pytest.mark.usefixtures("_sdk")
async def test_a_callers_trace_goes_on() -> None:
    """The span belongs to the trace of the caller's traceparent header."""
    (span,) = await spans_of(predict(headers={"traceparent": f"00-{CALLERS_TRACE}-b7ad6b7169203331-01"}))
    assert (CALLERS_TRACE, "b7ad6b7169203331") == (span.trace_id, span.parent_id)


@pytest.mark.usefixtures("_sdk")
async def test_probes_are_not_traced() -> None:
    """Health and metrics, requested every few seconds, create no spans."""
    probes = [{"method": "GET", "url": url} for url in ("/health/live", "/health/ready", "/metrics")]
    assert [] == await spans_of(*probes)


@pytest.mark.usefixtures("_sdk")
async def test_the_log_line_names_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """The log line of a request has its trace id."""
    with caplog.at_level(logging.INFO, logger="server.access"):
        (span,) = await spans_of(predict())
    (record,) = (record for record in caplog.records if record.name == "server.access")
    assert span.trace_id == record.__dict__["lines"][0][1]["trace_id"]


@pytest.mark.usefixtures("_sdk")
async def test_the_service_is_called_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have their usual effect."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "reviews")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    (span,) = await spans_of(predict())
    assert ("reviews", "test") == (
        span.resource["service.name"],
        span.resource["deployment.environment.name"],
    )


async def test_without_the_extra_the_server_warns_once_and_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An endpoint without the SDK causes one clear warning, and the server still serves."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    async with serving(create_app(settings, FakeClassifier())) as client:
        answer = await client.post("/predict", json={"text": "good"})
    assert 200 == answer.status_code
    (warning,) = (record.getMessage() for record in caplog.records if record.levelname == "WARNING")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set" in warning
    assert "requirements/tracing.txt" in warning


@pytest.mark.parametrize("endpoint", [None, ""])
async def test_without_an_endpoint_nothing_is_traced(endpoint: str | None) -> None:
    """Without an endpoint, or with an empty one, there is no provider: a request has no span and no trace id."""
    tracing = Tracing(endpoint)
    await tracing.close()
    tracing.annotate(lambda: pytest.fail("figures are asked for though there is no span"))
    assert (None, None) == (tracing.provider, tracing.trace_id())


async def test_the_process_wide_provider_stays_as_it_was() -> None:
    """The server has its own provider and does not change another library's in the same process."""
    before = trace.get_tracer_provider()
    create_app(make_settings(), FakeClassifier())
    assert before is trace.get_tracer_provider()


def test_an_endpoint_that_is_no_url_is_refused_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a collector without http:// names the variable that the operator set."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT='collector:4317' can not be used"):
        read_settings()


def test_the_endpoint_is_described_by_its_own_name() -> None:
    """--help lists the variable's real name, without the server's prefix."""
    assert "\nOTEL_EXPORTER_OTLP_ENDPOINT (default: none)\n" in describe_settings()


@pytest.mark.usefixtures("_sdk")
async def test_a_collector_that_never_answers_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response is unchanged, and the server ends while the last spans are still being sent."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setattr("server.observe.tracing._FLUSH_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = make_settings(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")
        async with serving(create_app(settings, FakeClassifier())) as client:
            answer = await client.post("/predict", json={"text": "good"})
        (sender,) = (thread for thread in threading.enumerate() if thread.name == "tracing")
        assert (1, True) == (answer.json()["sentiment"], sender.daemon)
        sender.join()
