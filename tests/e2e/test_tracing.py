"""Traces of a real process: they arrive before it ends, and a missing collector does not delay its end."""

import signal
import socket
import time

import httpx
import pytest

from tests.support.collector import collecting
from tests.support.process import server_process

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs requirements/tracing.txt")


def test_the_last_spans_are_sent_before_the_process_ends() -> None:
    """SIGTERM loses no span: the spans of the last second arrive too, each once, and the exit code stays 0.

    FastAPI's own set-up reads the same variable, and would send each span a second time.
    """
    with collecting() as collector:
        with server_process(OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint) as server:
            answers = [httpx.post(f"{server.url}/predict", json={"text": "good"}) for _ in range(3)]
            server.signal(signal.SIGTERM)
            assert 0 == server.wait()
        assert [200] * 3 == [answer.status_code for answer in answers]
        ids = [span.attributes["verdict.request_id"] for span in collector.spans]
    assert sorted(answer.headers["x-request-id"] for answer in answers) == sorted(ids)


def test_a_silent_collector_does_not_keep_the_process() -> None:
    """The server waits two seconds for the last spans, far less than a platform waits before SIGKILL."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with server_process(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as server:
            answer = httpx.post(f"{server.url}/predict", json={"text": "good"})
            server.signal(signal.SIGTERM)
            started = time.perf_counter()
            assert 0 == server.wait()
    assert 200 == answer.status_code
    assert time.perf_counter() - started < 10
